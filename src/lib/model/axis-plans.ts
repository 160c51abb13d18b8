import type { ModelManifest } from './manifest.js';
import type { TensorMeta } from './probe-target.js';

/** Batch axis by input name; null = one value shared by all rows. */
export type AxisPlan = ReadonlyMap<string, number | null>;

/** Usual names of the batch dimension. */
const BATCH_NAME = /^(?:n|b|bs|bsz|.*batch.*)$/i;

/** Whether an open dimension has a usual name of the batch. */
export function isBatchName(dim: number | string | undefined): boolean {
  return typeof dim === 'string' && BATCH_NAME.test(dim);
}

const isOpen = (dim: number | string | undefined) => typeof dim === 'string';

/** The usual name of the batch among the open dimensions, if one has it. */
function namedBatch(inputs: readonly TensorMeta[]): string | undefined {
  const dims = inputs.flatMap(({ shape }) => [...shape]);
  return dims.find((dim): dim is string => isBatchName(dim));
}

/**
 * Possible readings of the declared shapes, likeliest first; a trial decides. Empty when nothing can be the
 * batch: a dynamic axis that is not the leading one of any input, and is neither named like a batch nor
 * declared, belongs to the row (a sentence of any length in `[1, seq]`).
 */
export function axisPlans(inputs: readonly TensorMeta[], manifest: ModelManifest): AxisPlan[] {
  const declared = (input: TensorMeta) => manifest.inputs?.[input.name]?.batchAxis;
  const usual = namedBatch(inputs);
  const leading = inputs.map((input) => input.shape[0]).find((dim) => typeof dim === 'string' && dim !== '');
  const symbol = usual ?? leading;
  const named = (input: TensorMeta) => (symbol === undefined ? -1 : input.shape.indexOf(symbol));
  const first = (input: TensorMeta) => (isOpen(input.shape[0]) ? 0 : -1);
  const batched = inputs.some(
    (input) => typeof declared(input) === 'number' || named(input) >= 0 || first(input) === 0,
  );
  if (!batched) return [];
  const readings = [
    // A state [2, B, 128] next to an input [B, 512] has rows too, whatever the dimension is called.
    (input: TensorMeta) => (named(input) >= 0 ? named(input) : input.shape.findIndex(isOpen)),
    (input: TensorMeta) => (named(input) >= 0 ? named(input) : first(input)),
    named,
  ];
  const plans = new Map<string, AxisPlan>();
  for (const reading of readings) {
    const plan = new Map<string, number | null>();
    for (const input of inputs) {
      const wanted = declared(input);
      const axis = wanted === undefined ? reading(input) : wanted;
      plan.set(input.name, axis === -1 ? null : axis);
    }
    if ([...plan.values()].some((axis) => axis !== null)) plans.set(JSON.stringify([...plan]), plan);
  }
  return [...plans.values()];
}

/**
 * The axes that count rows in a model that must run them one at a time: those declared or named as the batch.
 * Any other dynamic axis belongs to the row: it may be a sequence, whose elements must stay together.
 */
export function rowAxes(inputs: readonly TensorMeta[], manifest: ModelManifest): AxisPlan {
  const usual = namedBatch(inputs);
  return new Map(
    inputs.map((input) => {
      const declared = manifest.inputs?.[input.name]?.batchAxis;
      const axis = usual === undefined ? -1 : input.shape.indexOf(usual);
      return [input.name, declared !== undefined ? declared : axis < 0 ? null : axis];
    }),
  );
}
