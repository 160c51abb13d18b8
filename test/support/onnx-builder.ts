import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Small ONNX files for tests, written directly as protobuf: no exporter, no dependency. `graph` takes a description;
 * the functions below it are ready-made models, each for one behaviour of a runner.
 */

export type Dim = number | string;
export type ElementType = keyof typeof ELEMENT_TYPES;

export interface ValueInfo {
  name: string;
  type: ElementType;
  /** `undeclared`: the file states neither shape nor rank. */
  dims: Dim[] | 'undeclared';
  /** A list of such tensors, or of maps from labels to floats: not a tensor. */
  as?: 'tensor' | 'sequence' | 'maps';
}

export interface Node {
  op: string;
  inputs: string[];
  outputs: string[];
  /** ONNX's own operators by default. */
  domain?: 'ai.onnx.ml';
  /** Numbers become ints when whole (write `{float: 1}` for a float), arrays ints, objects with `nodes` graphs. */
  attributes?: Record<string, number | number[] | string | { float: number } | Graph>;
}

export interface Initializer {
  name: string;
  type: 'float32' | 'int64' | 'bool';
  dims: number[];
  data: number[];
  /** Reads the data from this file instead, as large models do; relative to model.onnx. */
  external?: string;
  /** The number of its bytes. */
  length?: number;
}

export interface Graph {
  nodes: Node[];
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  initializers?: Initializer[];
}

const ELEMENT_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
} as const;

const IR_VERSION = 8;
const OPSET = 13;
/** AttributeProto.AttributeType. */
const ATTRIBUTE = { float: 1, int: 2, string: 3, graph: 5, ints: 7 } as const;

function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}

const int = (field: number, value: number) => Buffer.concat([varint(field << 3), varint(value)]);
const bytes = (field: number, value: Buffer) =>
  Buffer.concat([varint((field << 3) | 2), varint(value.length), value]);
const text = (field: number, value: string) => bytes(field, Buffer.from(value, 'utf8'));

function float(field: number, value: number): Buffer {
  const four = Buffer.alloc(4);
  four.writeFloatLE(value);
  return Buffer.concat([varint((field << 3) | 5), four]);
}

function valueInfo({ name, type, dims, as = 'tensor' }: ValueInfo): Buffer {
  const shape =
    dims === 'undeclared'
      ? []
      : [
          bytes(
            2,
            Buffer.concat(dims.map((dim) => bytes(1, typeof dim === 'number' ? int(1, dim) : text(2, dim)))),
          ),
        ];
  const tensor = Buffer.concat([int(1, ELEMENT_TYPES[type]), ...shape]);
  // Map from int64 to a float, in a sequence.
  const map = bytes(5, Buffer.concat([int(1, ELEMENT_TYPES.int64), bytes(2, bytes(1, int(1, 1)))]));
  const kinds = {
    tensor: bytes(1, tensor),
    sequence: bytes(4, bytes(1, bytes(1, tensor))),
    maps: bytes(4, bytes(1, map)),
  };
  return Buffer.concat([text(1, name), bytes(2, kinds[as])]);
}

function tensor({ name, type, dims, data, external, length }: Initializer): Buffer {
  const head = [...dims.map((dim) => int(1, dim)), int(2, ELEMENT_TYPES[type]), text(8, name)];
  if (external !== undefined) {
    const location = Buffer.concat([text(1, 'location'), text(2, external)]);
    const size =
      length === undefined ? [] : [bytes(13, Buffer.concat([text(1, 'length'), text(2, String(length))]))];
    return Buffer.concat([...head, bytes(13, location), ...size, int(14, 1)]);
  }
  const raw =
    type === 'float32'
      ? Buffer.from(Float32Array.from(data).buffer)
      : type === 'bool'
        ? Buffer.from(data)
        : Buffer.from(BigInt64Array.from(data, BigInt).buffer);
  return Buffer.concat([...head, bytes(9, raw)]);
}

function attribute(name: string, value: NonNullable<Node['attributes']>[string]): Buffer {
  const of = (type: number, body: Buffer) => Buffer.concat([text(1, name), body, int(20, type)]);
  if (typeof value === 'number') return of(ATTRIBUTE.int, int(3, value));
  if (typeof value === 'string') return of(ATTRIBUTE.string, text(4, value));
  if (Array.isArray(value)) return of(ATTRIBUTE.ints, Buffer.concat(value.map((one) => int(8, one))));
  if ('float' in value) return of(ATTRIBUTE.float, float(2, value.float));
  return of(ATTRIBUTE.graph, bytes(6, graphProto(value)));
}

function node({ op, inputs, outputs, attributes, domain }: Node): Buffer {
  return Buffer.concat([
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...Object.entries(attributes ?? {}).map(([name, value]) => bytes(5, attribute(name, value))),
    ...(domain === undefined ? [] : [text(7, domain)]),
  ]);
}

function graphProto({ nodes, inputs, outputs, initializers }: Graph): Buffer {
  return Buffer.concat([
    ...nodes.map((one) => bytes(1, node(one))),
    text(2, 'test'),
    ...(initializers ?? []).map((one) => bytes(5, tensor(one))),
    ...inputs.map((one) => bytes(11, valueInfo(one))),
    ...outputs.map((one) => bytes(12, valueInfo(one))),
  ]);
}

/** The bytes of a model.onnx. */
export function buildModel(graph: Graph, versions: { ir?: number; opset?: number } = {}): Buffer {
  const opset = Buffer.concat([text(1, ''), int(2, versions.opset ?? OPSET)]);
  const ml = Buffer.concat([text(1, 'ai.onnx.ml'), int(2, 1)]);
  return Buffer.concat([
    int(1, versions.ir ?? IR_VERSION),
    text(2, 'infer-test'),
    bytes(7, graphProto(graph)),
    bytes(8, opset),
    bytes(8, ml),
  ]);
}

/**
 * Writes `<dir>/<name>/<version>/model.onnx` and, when given, `model.json`; further files by name.
 * @returns the model's directory.
 */
export function writeModel(
  dir: string,
  name: string,
  model: Graph | Buffer,
  manifest?: object,
  options: { version?: number; files?: Record<string, string> } = {},
): string {
  const modelDir = path.join(dir, name);
  const versionDir = path.join(modelDir, String(options.version ?? 1));
  mkdirSync(versionDir, { recursive: true });
  writeFileSync(path.join(versionDir, 'model.onnx'), Buffer.isBuffer(model) ? model : buildModel(model));
  if (manifest !== undefined) writeFileSync(path.join(modelDir, 'model.json'), JSON.stringify(manifest));
  for (const [file, content] of Object.entries(options.files ?? {}))
    writeFileSync(path.join(modelDir, file), content);
  return modelDir;
}

const f32 = (name: string, ...dims: Dim[]): ValueInfo => ({ name, type: 'float32', dims });
const i64 = (name: string, ...dims: Dim[]): ValueInfo => ({ name, type: 'int64', dims });
const floats = (name: string, dims: number[], data: number[]): Initializer => ({
  name,
  type: 'float32',
  dims,
  data,
});

/** `y = 2x + 1`; x, y float32 [batch, width]. */
export function doubler(width = 4): Graph {
  return {
    nodes: [
      { op: 'Mul', inputs: ['x', 'two'], outputs: ['d'] },
      { op: 'Add', inputs: ['d', 'one'], outputs: ['y'] },
    ],
    inputs: [f32('x', 'batch', width)],
    outputs: [f32('y', 'batch', width)],
    initializers: [floats('two', [1], [2]), floats('one', [1], [1])],
  };
}

/** `sum = a + b`; two inputs float32 [batch, width]. */
export function adder(width = 3): Graph {
  return {
    nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['sum'] }],
    inputs: [f32('a', 'batch', width), f32('b', 'batch', width)],
    outputs: [f32('sum', 'batch', width)],
  };
}

/** `next = ids + 1`; int64 [N, width]: what a token model takes. */
export function tokens(width = 3): Graph {
  return {
    nodes: [{ op: 'Add', inputs: ['ids', 'one'], outputs: ['next'] }],
    inputs: [i64('ids', 'N', width)],
    outputs: [i64('next', 'N', width)],
    initializers: [{ name: 'one', type: 'int64', dims: [1], data: [1] }],
  };
}

/** `y = x * sr`; x float32 [batch, 2], `sr` a scalar int64 shared by all rows. */
export function sharedScalar(): Graph {
  return {
    nodes: [
      { op: 'Cast', inputs: ['sr'], outputs: ['rate'], attributes: { to: 1 } },
      { op: 'Mul', inputs: ['x', 'rate'], outputs: ['y'] },
    ],
    inputs: [f32('x', 'batch', 2), i64('sr')],
    outputs: [f32('y', 'batch', 2)],
  };
}

/** `next = state + 1`, float32 [2, batch, 3]: rows run along axis 1. `x` [batch, 3] is passed through as `y`. */
export function batchAxisOne(): Graph {
  return {
    nodes: [
      { op: 'Add', inputs: ['state', 'one'], outputs: ['next'] },
      { op: 'Identity', inputs: ['x'], outputs: ['y'] },
    ],
    inputs: [f32('x', 'batch', 3), f32('state', 2, 'batch', 3)],
    outputs: [f32('y', 'batch', 3), f32('next', 2, 'batch', 3)],
    initializers: [floats('one', [1], [1])],
  };
}

/** `y = x + x`, float32 [1, 4]: takes one row a run. */
export function fixedBatch(): Graph {
  return {
    nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
    inputs: [f32('x', 1, 4)],
    outputs: [f32('y', 1, 4)],
  };
}

/** `mean` over all rows, float32 [1, 2]: looks batchable by its input, is not. */
export function meanOverRows(): Graph {
  return {
    nodes: [{ op: 'ReduceMean', inputs: ['x'], outputs: ['mean'], attributes: { axes: [0], keepdims: 1 } }],
    inputs: [f32('x', 'batch', 2)],
    outputs: [f32('mean', 'rows', 2)],
  };
}

/** Softmax along the batch: the shapes allow batching, the values do not. */
export function mixesRows(): Graph {
  return {
    nodes: [{ op: 'Softmax', inputs: ['x'], outputs: ['y'], attributes: { axis: 0 } }],
    inputs: [f32('x', 'batch', 2)],
    outputs: [f32('y', 'batch', 2)],
  };
}

/** `out = text`, string [batch, 1]. */
export function stringEcho(): Graph {
  return {
    nodes: [{ op: 'Identity', inputs: ['text'], outputs: ['out'] }],
    inputs: [{ name: 'text', type: 'string', dims: ['batch', 1] }],
    outputs: [{ name: 'out', type: 'string', dims: ['batch', 1] }],
  };
}

/**
 * `y = x`, float32 [batch, 2], after `turns[0]` rounds of a 512x512 matrix product (about 5 ms each on one core).
 * `turns` int64 [1] is shared: the caller scales the time, and 0 keeps loading fast.
 */
export function slow(): Graph {
  const side = 512;
  const body: Graph = {
    nodes: [
      { op: 'Identity', inputs: ['go'], outputs: ['go_on'] },
      { op: 'MatMul', inputs: ['m', 'weights'], outputs: ['m_next'] },
    ],
    inputs: [i64('i'), { name: 'go', type: 'bool', dims: [] }, f32('m', side, side)],
    outputs: [{ name: 'go_on', type: 'bool', dims: [] }, f32('m_next', side, side)],
  };
  return {
    nodes: [
      { op: 'ConstantOfShape', inputs: ['side'], outputs: ['weights'] },
      { op: 'Squeeze', inputs: ['turns', 'axis0'], outputs: ['count'] },
      { op: 'Loop', inputs: ['count', 'yes', 'weights'], outputs: ['last'], attributes: { body } },
      { op: 'ReduceSum', inputs: ['last'], outputs: ['nothing'], attributes: { keepdims: 0 } },
      { op: 'Add', inputs: ['x', 'nothing'], outputs: ['y'] },
    ],
    inputs: [f32('x', 'batch', 2), i64('turns', 1)],
    outputs: [f32('y', 'batch', 2)],
    initializers: [
      { name: 'side', type: 'int64', dims: [2], data: [side, side] },
      { name: 'axis0', type: 'int64', dims: [1], data: [0] },
      { name: 'yes', type: 'bool', dims: [], data: [1] },
    ],
  };
}

/** `y = table[index]`, index int64 [batch, 1] of 0..3 (values 10, 20, 30, 40); any other fails the run. */
export function poison(): Graph {
  return {
    nodes: [{ op: 'Gather', inputs: ['table', 'index'], outputs: ['y'] }],
    inputs: [i64('index', 'batch', 1)],
    outputs: [f32('y', 'batch', 1)],
    initializers: [floats('table', [4], [10, 20, 30, 40])],
  };
}

/** Mean of `table[ids]` (10, 20, 30, 40), ids int64 [batch, length], y float32 [batch, 1]; an id beyond 3 fails the run. */
export function meanOfIds(): Graph {
  return {
    nodes: [
      { op: 'Gather', inputs: ['table', 'ids'], outputs: ['values'] },
      { op: 'ReduceMean', inputs: ['values'], outputs: ['y'], attributes: { axes: [1], keepdims: 1 } },
    ],
    inputs: [i64('ids', 'batch', 'length')],
    outputs: [f32('y', 'batch', 1)],
    initializers: [floats('table', [4], [10, 20, 30, 40])],
  };
}

/** Mean brightness, image float32 [N, 1, H, W] to [N, 1, 1, 1]: open height and width. */
export function openImage(): Graph {
  return {
    nodes: [{ op: 'GlobalAveragePool', inputs: ['image'], outputs: ['mean'] }],
    inputs: [f32('image', 'N', 1, 'H', 'W')],
    outputs: [f32('mean', 'N', 1, 1, 1)],
  };
}

/** `y = x + w`, float32 [batch, 2]; w is two float32 in the file `location` next to model.onnx. */
export function externalWeights(location: string, length?: number): Graph {
  return {
    nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
    inputs: [f32('x', 'batch', 2)],
    outputs: [f32('y', 'batch', 2)],
    initializers: [
      { ...floats('w', [2], []), external: location, ...(length === undefined ? {} : { length }) },
    ],
  };
}

/** `y = factor * x`, float32 [batch, width]: versions with different answers. */
export function times(factor: number, width = 4): Graph {
  const graph = doubler(width);
  return { ...graph, initializers: [floats('two', [1], [factor]), floats('one', [1], [0])] };
}

/** Scores as exported by scikit-learn: a list of maps from label to probability, and optionally `sum`. */
export function zipMapped(withSum = false): Graph {
  const sum = { op: 'ReduceMean', inputs: ['x'], outputs: ['mean'], attributes: { axes: [1], keepdims: 0 } };
  return {
    nodes: [
      { op: 'Softmax', inputs: ['x'], outputs: ['scores'], attributes: { axis: 1 } },
      {
        op: 'ZipMap',
        domain: 'ai.onnx.ml',
        inputs: ['scores'],
        outputs: ['probabilities'],
        attributes: { classlabels_int64s: [3, 5, 8] },
      },
      ...(withSum ? [sum] : []),
    ],
    inputs: [f32('x', 'batch', 3)],
    outputs: [{ ...f32('probabilities'), as: 'maps' }, ...(withSum ? [f32('mean', 'batch')] : [])],
  };
}

/** The rows as a list of tensors, which cannot be served. With `y`, one output is a tensor. */
export function sequenceOnly(withTensor = false): Graph {
  const keep: Node[] = withTensor ? [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }] : [];
  return {
    nodes: [{ op: 'SplitToSequence', inputs: ['x'], outputs: ['parts'], attributes: { axis: 0 } }, ...keep],
    inputs: [f32('x', 'batch', 4)],
    outputs: [{ ...f32('parts', 'n', 4), as: 'sequence' }, ...(withTensor ? [f32('y', 'batch', 4)] : [])],
  };
}

/** Scores float32 [batch, classes], as they are (`logits`) or after a Softmax (`probabilities`). */
export function scores(classes = 3, kind: 'logits' | 'probabilities' = 'logits'): Graph {
  const nodes: Node[] =
    kind === 'logits'
      ? [{ op: 'Identity', inputs: ['x'], outputs: [kind] }]
      : [{ op: 'Softmax', inputs: ['x'], outputs: [kind], attributes: { axis: 1 } }];
  return { nodes, inputs: [f32('x', 'batch', classes)], outputs: [f32(kind, 'batch', classes)] };
}

/** `y = x + x`, float32 [batch, width], width open. */
export function openRows(): Graph {
  return {
    nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
    inputs: [f32('x', 'batch', 'width')],
    outputs: [f32('y', 'batch', 'width')],
  };
}

/** `y = x + x`, float32, of any shape: the file declares no rank. */
export function undeclaredRank(): Graph {
  return {
    nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
    inputs: [{ name: 'x', type: 'float32', dims: 'undeclared' }],
    outputs: [{ name: 'y', type: 'float32', dims: 'undeclared' }],
  };
}

/** `y = x + state * sr`, float32 [batch, 2], with a state [2, batch, 2] whose first layer counts and a scalar int64 rate. */
export function withState(): Graph {
  return {
    nodes: [
      { op: 'Gather', inputs: ['state', 'zero'], outputs: ['layer'], attributes: { axis: 0 } },
      { op: 'Cast', inputs: ['sr'], outputs: ['rate'], attributes: { to: 1 } },
      { op: 'Mul', inputs: ['layer', 'rate'], outputs: ['scaled'] },
      { op: 'Add', inputs: ['x', 'scaled'], outputs: ['y'] },
    ],
    inputs: [f32('x', 'batch', 2), f32('state', 2, 'batch', 2), i64('sr')],
    outputs: [f32('y', 'batch', 2)],
    initializers: [{ name: 'zero', type: 'int64', dims: [], data: [0] }],
  };
}

/** x float32 [batch, width] to y [batch, width / block, block]: runs only at widths that are multiples of `block`. */
export function blocks(block: number): Graph {
  return {
    nodes: [{ op: 'Reshape', inputs: ['x', 'shape'], outputs: ['y'] }],
    inputs: [f32('x', 'batch', 'width')],
    outputs: [f32('y', 'batch', 'blocks', block)],
    initializers: [{ name: 'shape', type: 'int64', dims: [3], data: [0, -1, block] }],
  };
}

/** Positions of the elements that are not 0, x float32 [width] to int64 [1, hits]: as many as there are. */
export function hits(width = 8): Graph {
  return {
    nodes: [{ op: 'NonZero', inputs: ['x'], outputs: ['places'] }],
    inputs: [f32('x', width)],
    outputs: [i64('places', 1, 'hits')],
  };
}

/** An element type the binding cannot pass: `bfloat16`; or one it can, such as `float16`. */
export function identity(type: ElementType): Graph {
  return {
    nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
    inputs: [{ name: 'x', type, dims: ['batch', 2] }],
    outputs: [{ name: 'y', type, dims: ['batch', 2] }],
  };
}
