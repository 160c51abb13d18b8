import type { Dim, ElementType, Graph, Initializer, Node, ValueInfo } from './onnx-builder.js';

/**
 * Models with independent rows, models whose rows affect each other, and some that resemble the other kind. Each is as
 * small as its one behaviour allows.
 */

const value = (type: ElementType, name: string, ...dims: Dim[]): ValueInfo => ({ name, type, dims });
const f32 = (name: string, ...dims: Dim[]) => value('float32', name, ...dims);
const i64 = (name: string, ...dims: Dim[]) => value('int64', name, ...dims);
const floats = (name: string, dims: number[], data: number[]): Initializer => ({
  name,
  type: 'float32',
  dims,
  data,
});
const ints = (name: string, dims: number[], data: number[]): Initializer => ({
  name,
  type: 'int64',
  dims,
  data,
});
/** Weights that are neither equal nor regular. */
const weights = (name: string, ...dims: number[]): Initializer =>
  floats(
    name,
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 12.9898) * 0.7),
  );

/** `y` [batch, 4] from `x` [batch, 4] by these nodes. */
function rowwise(nodes: Node[], initializers: Initializer[] = [], dim: Dim = 'batch'): Graph {
  return { nodes, inputs: [f32('x', dim, 4)], outputs: [f32('y', dim, 4)], initializers };
}

/** One operator from `x` to `y`. */
const op = (name: string, attributes: Node['attributes'] = {}, more: string[] = []): Node => ({
  op: name,
  inputs: ['x', ...more],
  outputs: ['y'],
  attributes,
});

// Independent rows.

/** (x - mean) / deviation over the features of each row. */
export function layerNorm(): Graph {
  return rowwise(
    [
      { op: 'ReduceMean', inputs: ['x'], outputs: ['m'], attributes: { axes: [1], keepdims: 1 } },
      { op: 'Sub', inputs: ['x', 'm'], outputs: ['c'] },
      { op: 'Mul', inputs: ['c', 'c'], outputs: ['s'] },
      { op: 'ReduceMean', inputs: ['s'], outputs: ['v'], attributes: { axes: [1], keepdims: 1 } },
      { op: 'Add', inputs: ['v', 'eps'], outputs: ['ve'] },
      { op: 'Sqrt', inputs: ['ve'], outputs: ['d'] },
      { op: 'Div', inputs: ['c', 'd'], outputs: ['y'] },
    ],
    [floats('eps', [1], [1e-5])],
  );
}

/** Batch normalisation with the statistics of its training. */
export function batchNorm(): Graph {
  return rowwise(
    [op('BatchNormalization', {}, ['scale', 'bias', 'mean', 'var'])],
    [
      floats('scale', [4], [1, 2, 3, 4]),
      floats('bias', [4], [0, 1, 0, 1]),
      floats('mean', [4], [0.1, 0.2, 0.3, 0.4]),
      floats('var', [4], [1, 2, 1, 2]),
    ],
  );
}

/** Logarithm: NaN for what is negative. */
export const logarithm = () => rowwise([op('Log')]);

/** A wide product, whose sums are rounded differently for another number of rows. */
export function wideProduct(width = 1024): Graph {
  return {
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w'], outputs: ['h'] },
      { op: 'MatMul', inputs: ['h', 'v'], outputs: ['y'] },
    ],
    inputs: [f32('x', 'batch', width)],
    outputs: [f32('y', 'batch', 8)],
    initializers: [weights('w', width, 64), weights('v', 64, 8)],
  };
}

/** The highest of scores in equal pairs: any rounding flips it. */
export function tiedArgMax(): Graph {
  const half = Array.from({ length: 512 }, (_, i) => Math.sin(i * 7.7));
  return {
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w'], outputs: ['s'] },
      { op: 'ArgMax', inputs: ['s'], outputs: ['best'], attributes: { axis: 1, keepdims: 0 } },
    ],
    inputs: [f32('x', 'batch', 512)],
    outputs: [i64('best', 'batch')],
    initializers: [
      floats(
        'w',
        [512, 2],
        half.flatMap((one) => [one, one]),
      ),
    ],
  };
}

/** A step of a recurrent model: x [B, 4], state [2, B', 3] to y [B, 6] and the next state. */
export function recurrentStep(stateDim: Dim = 'B'): Graph {
  return {
    nodes: [
      { op: 'Unsqueeze', inputs: ['x', 'axis0'], outputs: ['steps'] },
      {
        op: 'GRU',
        inputs: ['steps', 'w', 'r', '', '', 'state'],
        outputs: ['all', 'next'],
        attributes: { hidden_size: 3, direction: 'bidirectional' },
      },
      { op: 'Transpose', inputs: ['next'], outputs: ['t'], attributes: { perm: [1, 0, 2] } },
      { op: 'Reshape', inputs: ['t', 'flat'], outputs: ['y'] },
    ],
    inputs: [f32('x', 'B', 4), f32('state', 2, stateDim, 3)],
    outputs: [f32('y', 'B', 6), f32('next', 2, stateDim, 3)],
    initializers: [
      ints('axis0', [1], [0]),
      ints('flat', [2], [-1, 6]),
      weights('w', 2, 9, 4),
      weights('r', 2, 9, 3),
    ],
  };
}

/** Mean of word vectors where a mask says so: ids and mask int64 [batch, seq], a table of 20 words. */
export function embedding(): Graph {
  return {
    nodes: [
      { op: 'Gather', inputs: ['table', 'ids'], outputs: ['e'] },
      { op: 'Cast', inputs: ['attention_mask'], outputs: ['m'], attributes: { to: 1 } },
      { op: 'Unsqueeze', inputs: ['m', 'axis2'], outputs: ['m3'] },
      { op: 'Mul', inputs: ['e', 'm3'], outputs: ['em'] },
      { op: 'ReduceSum', inputs: ['em', 'axis1'], outputs: ['sum'], attributes: { keepdims: 0 } },
      { op: 'ReduceSum', inputs: ['m3', 'axis1'], outputs: ['n'], attributes: { keepdims: 0 } },
      { op: 'Div', inputs: ['sum', 'n'], outputs: ['y'] },
    ],
    inputs: [i64('ids', 'batch', 'seq'), i64('attention_mask', 'batch', 'seq')],
    outputs: [f32('y', 'batch', 3)],
    initializers: [weights('table', 20, 3), ints('axis1', [1], [1]), ints('axis2', [1], [2])],
  };
}

/** The number that each text contains: text [batch, 1] to float32. Any other text fails the run, an empty one too. */
export function parsedNumbers(): Graph {
  return {
    nodes: [op('Cast', { to: 1 })],
    inputs: [value('string', 'x', 'batch', 1)],
    outputs: [f32('y', 'batch', 1)],
  };
}

/** `y = 2x`, float32 [3, dim]: the only open axis is the last. */
export function lastAxis(dim: string): Graph {
  return {
    nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
    inputs: [f32('x', 3, dim)],
    outputs: [f32('y', 3, dim)],
  };
}

/** `y = -x` and `anchors`, six constant boxes. */
export function constantOutput(): Graph {
  return {
    nodes: [op('Neg'), { op: 'Identity', inputs: ['boxes'], outputs: ['anchors'] }],
    inputs: [f32('x', 'batch', 2)],
    outputs: [f32('y', 'batch', 2), f32('anchors', 3, 2)],
    initializers: [floats('boxes', [3, 2], [0, 0, 1, 2, 4, 8])],
  };
}

// Rows that affect each other.

/** A running sum along the rows; `reverse`: from the last one. */
export const runningSum = (reverse = false) =>
  rowwise([op('CumSum', { reverse: reverse ? 1 : 0 }, ['axis'])], [ints('axis', [], [0])]);

/** x minus the mean over all rows. */
export const centred = (dim: Dim = 'batch') =>
  rowwise(
    [
      { op: 'ReduceMean', inputs: ['x'], outputs: ['m'], attributes: { axes: [0], keepdims: 1 } },
      { op: 'Sub', inputs: ['x', 'm'], outputs: ['y'] },
    ],
    [],
    dim,
  );

/** x divided by the number of rows. */
export const byCount = () =>
  rowwise(
    [
      { op: 'Shape', inputs: ['x'], outputs: ['shape'] },
      { op: 'Cast', inputs: ['shape'], outputs: ['sizes'], attributes: { to: 1 } },
      { op: 'ReduceMax', inputs: ['x'], outputs: ['none'], attributes: { keepdims: 0 } },
      { op: 'Mul', inputs: ['none', 'zero'], outputs: ['nothing'] },
      { op: 'Gather', inputs: ['sizes', 'first'], outputs: ['n'] },
      { op: 'Div', inputs: ['x', 'n'], outputs: ['d'] },
      { op: 'Add', inputs: ['d', 'nothing'], outputs: ['y'] },
    ],
    [floats('zero', [], [0]), ints('first', [], [0])],
  );

/** The number of rows next to each, as an integer. */
export function rowCount(): Graph {
  return {
    nodes: [
      { op: 'Shape', inputs: ['x'], outputs: ['shape'] },
      { op: 'Gather', inputs: ['shape', 'first'], outputs: ['n'] },
      { op: 'ArgMax', inputs: ['x'], outputs: ['best'], attributes: { axis: 1, keepdims: 0 } },
      { op: 'Mul', inputs: ['best', 'zero'], outputs: ['nothing'] },
      { op: 'Add', inputs: ['nothing', 'n'], outputs: ['count'] },
    ],
    inputs: [f32('x', 'batch', 4)],
    outputs: [i64('count', 'batch')],
    initializers: [ints('first', [1], [0]), ints('zero', [1], [0])],
  };
}

/** Dynamic quantisation to 8 bits and back: the range is taken over the whole run. */
export const dynamicQuantised = () =>
  rowwise([
    { op: 'DynamicQuantizeLinear', inputs: ['x'], outputs: ['q', 's', 'z'] },
    { op: 'DequantizeLinear', inputs: ['q', 's', 'z'], outputs: ['y'] },
  ]);

/** x + 1 where the sum of all rows is positive, else 2x. */
export function bySumOfAll(): Graph {
  const branch = (operator: string, constant: string, name: string): Graph => ({
    nodes: [{ op: operator, inputs: ['x', constant], outputs: [name] }],
    inputs: [],
    outputs: [f32(name, 'batch', 4)],
  });
  return rowwise(
    [
      { op: 'ReduceSum', inputs: ['x'], outputs: ['s'], attributes: { keepdims: 0 } },
      { op: 'Greater', inputs: ['s', 'zero'], outputs: ['c'] },
      {
        op: 'If',
        inputs: ['c'],
        outputs: ['y'],
        attributes: { then_branch: branch('Add', 'one', 'a'), else_branch: branch('Mul', 'two', 'b') },
      },
    ],
    [floats('zero', [], [0]), floats('one', [1], [1]), floats('two', [1], [2])],
  );
}

/** Running sum of int64 along the rows. */
export function integerSum(): Graph {
  return {
    nodes: [op('CumSum', {}, ['axis'])],
    inputs: [i64('x', 'batch', 3)],
    outputs: [i64('y', 'batch', 3)],
    initializers: [ints('axis', [], [0])],
  };
}

/** x minus the mean over all rows, in float16. */
export function centredHalves(): Graph {
  return {
    nodes: [
      { op: 'ReduceMean', inputs: ['x'], outputs: ['m'], attributes: { axes: [0], keepdims: 1 } },
      { op: 'Sub', inputs: ['x', 'm'], outputs: ['y'] },
    ],
    inputs: [value('float16', 'x', 'batch', 4)],
    outputs: [value('float16', 'y', 'batch', 4)],
  };
}

/** Each row plus the row twelve places before it, as in a dilated sequence. */
export function farAway(): Graph {
  return {
    nodes: [
      { op: 'Concat', inputs: ['nothing', 'x'], outputs: ['padded'], attributes: { axis: 0 } },
      { op: 'Slice', inputs: ['padded', 'start', 'end', 'axes'], outputs: ['before'] },
      { op: 'Add', inputs: ['x', 'before'], outputs: ['y'] },
    ],
    inputs: [f32('x', 'batch', 4)],
    outputs: [f32('y', 'batch', 4)],
    initializers: [
      { name: 'nothing', type: 'float32', dims: [12, 4], data: new Array(48).fill(0) },
      { name: 'start', type: 'int64', dims: [1], data: [0] },
      { name: 'end', type: 'int64', dims: [1], data: [-12] },
      { name: 'axes', type: 'int64', dims: [1], data: [0] },
    ],
  };
}

/** The index of the highest row in each column: int64 [4], with any number of rows. */
export function bestRow(): Graph {
  return {
    nodes: [
      { op: 'ArgMax', inputs: ['x'], outputs: ['best'], attributes: { axis: 0, keepdims: 0 } },
      op('Neg'),
    ],
    inputs: [f32('x', 'batch', 4)],
    outputs: [f32('y', 'batch', 4), i64('best', 4)],
  };
}

/** A GRU over a sentence: x [T, 1, 4], y [T, 1, 3]. */
export function sentence(): Graph {
  return {
    nodes: [
      { op: 'GRU', inputs: ['x', 'w', 'r'], outputs: ['all'], attributes: { hidden_size: 3 } },
      { op: 'Squeeze', inputs: ['all', 'axis1'], outputs: ['y'] },
    ],
    inputs: [f32('x', 'T', 1, 4)],
    outputs: [f32('y', 'T', 1, 3)],
    initializers: [weights('w', 1, 9, 4), weights('r', 1, 9, 3), ints('axis1', [1], [1])],
  };
}

/** Attention of every token to all others: ids int64 [1, seq] of a table of 50, y [1, seq, 3]. */
export function tagger(): Graph {
  return {
    nodes: [
      { op: 'Gather', inputs: ['table', 'ids'], outputs: ['e'] },
      { op: 'Transpose', inputs: ['e'], outputs: ['t'], attributes: { perm: [0, 2, 1] } },
      { op: 'MatMul', inputs: ['e', 't'], outputs: ['s'] },
      { op: 'Softmax', inputs: ['s'], outputs: ['p'], attributes: { axis: 2 } },
      { op: 'MatMul', inputs: ['p', 'e'], outputs: ['y'] },
    ],
    inputs: [i64('ids', 1, 'seq')],
    outputs: [f32('y', 1, 'seq', 3)],
    initializers: [weights('table', 50, 3)],
  };
}

/**
 * Minus x, while no value of the run is above `limit`; beyond it the mean over all rows is subtracted. No trial can
 * know the limit.
 */
export function mixesAbove(limit: number): Graph {
  return rowwise(
    [
      { op: 'ReduceMax', inputs: ['x'], outputs: ['most'], attributes: { keepdims: 0 } },
      { op: 'Greater', inputs: ['most', 'limit'], outputs: ['above'] },
      { op: 'Cast', inputs: ['above'], outputs: ['share'], attributes: { to: 1 } },
      { op: 'ReduceMean', inputs: ['x'], outputs: ['mean'], attributes: { axes: [0], keepdims: 1 } },
      { op: 'Mul', inputs: ['mean', 'share'], outputs: ['off'] },
      { op: 'Neg', inputs: ['x'], outputs: ['n'] },
      { op: 'Sub', inputs: ['n', 'off'], outputs: ['y'] },
    ],
    [floats('limit', [], [limit])],
  );
}

/** Minus x, and the positions of all values above `limit`: none of them in a trial. */
export function rareHits(limit: number): Graph {
  return {
    nodes: [
      op('Neg'),
      { op: 'Greater', inputs: ['x', 'limit'], outputs: ['above'] },
      { op: 'NonZero', inputs: ['above'], outputs: ['places'] },
      { op: 'Transpose', inputs: ['places'], outputs: ['hits'], attributes: { perm: [1, 0] } },
    ],
    inputs: [f32('x', 'batch', 4)],
    outputs: [f32('y', 'batch', 4), i64('hits', 'k', 2)],
    initializers: [floats('limit', [], [limit])],
  };
}

// Random models.

/** x plus noise. */
export const noisy = () =>
  rowwise([
    { op: 'RandomNormalLike', inputs: ['x'], outputs: ['noise'], attributes: { scale: { float: 0.1 } } },
    { op: 'Add', inputs: ['x', 'noise'], outputs: ['y'] },
  ]);

/** One draw from each row's distribution. */
export function drawn(): Graph {
  return {
    nodes: [
      {
        op: 'Multinomial',
        inputs: ['x'],
        outputs: ['y'],
        attributes: { dtype: 7, sample_size: 16 },
      },
    ],
    inputs: [f32('x', 'batch', 4)],
    outputs: [i64('y', 'batch', 16)],
  };
}

/** `y` is `x` plus the row's position in its run, whole numbers [batch, 4]: what a position in a sequence adds. */
export function byPlace(): Graph {
  return {
    nodes: [
      { op: 'Shape', inputs: ['x'], outputs: ['shape'] },
      { op: 'Gather', inputs: ['shape', 'zero'], outputs: ['count'] },
      { op: 'Range', inputs: ['zero', 'count', 'one'], outputs: ['places'] },
      { op: 'Unsqueeze', inputs: ['places', 'last'], outputs: ['column'] },
      { op: 'Add', inputs: ['x', 'column'], outputs: ['y'] },
    ],
    inputs: [i64('x', 'batch', 4)],
    outputs: [i64('y', 'batch', 4)],
    initializers: [ints('zero', [], [0]), ints('one', [], [1]), ints('last', [1], [1])],
  };
}
