import { messageOf } from '../core/errors.js';
import { type HostTensor, type NumberArray, zeros } from './layout.js';
import type { ModelManifest } from './manifest.js';
import { pinnedShape } from './pinned-shape.js';
import type { TensorSignature } from './signature.js';
import { type DataType, elementCount } from './tensor.js';

/** An input or output as the ONNX file declares it; open dimensions are names, `''` when unnamed. */
export interface TensorMeta {
  name: string;
  type: DataType;
  shape: (number | string)[];
}

/** What the probe needs of a session. */
export interface ProbeTarget {
  inputs: TensorMeta[];
  outputs: TensorMeta[];
  run(feeds: Record<string, HostTensor>): Promise<Record<string, HostTensor>>;
}

export interface Probed {
  batchable: boolean;
  inputs: TensorSignature[];
  outputs: TensorSignature[];
  /** Row shapes that are known to run, by input; absent when nothing did. Used for the warm-up. */
  rowShapes?: Map<string, number[]>;
  warnings: string[];
}

/** Batch axis by input name; null = shared by all rows. */
type AxisPlan = Map<string, number | null>;

/**
 * Sizes tried for open dimensions that are not the batch: 8 rather than 1 first, because at 1 a
 * flattened [batch * seq] output looks just like [batch]; then what vision models are built for.
 */
const TRIAL_SIZES = [8, 32, 48, 64, 224, 1];
const BATCH_NAME = /^(batch.*|n|b|bs)$/i;
const DECLARE = 'declare inputs.<name>.batchAxis (and shape, where open) in model.json';

/**
 * Finds each tensor's batch axis by running one and two rows of zeros and comparing the outputs.
 * Never throws for a model that does not run on zeros: it is then taken as not batchable, with a
 * warning. @throws InferError MODEL_MANIFEST when model.json contradicts the ONNX file.
 */
export async function probe(target: ProbeTarget, manifest: ModelManifest, label: string): Promise<Probed> {
  const plans = manifest.batchable === false ? [] : axisPlans(target.inputs, manifest);
  const failures: string[] = [];
  for (const plan of plans) {
    const found = await tryPlan(target, manifest, label, plan);
    if (typeof found !== 'string') return found;
    failures.push(found);
  }
  const declared = Object.values(manifest.inputs ?? {}).some((input) => typeof input.batchAxis === 'number');
  const plan = plans[0];
  if (plan !== undefined && declared) {
    return {
      ...describe(target, manifest, label, plan, (name) => manifest.outputs?.[name]?.batchAxis ?? 0),
      warnings: [`batching is taken from model.json unchecked: a trial run failed (${failures[0] ?? ''})`],
    };
  }
  const warnings =
    plan === undefined ? [] : [`runs one row at a time: ${failures[0] ?? ''}; ${DECLARE} if it can batch`];
  const single: AxisPlan = new Map(target.inputs.map((input) => [input.name, null]));
  const result: Probed = {
    ...describe(target, manifest, label, single, () => null),
    batchable: false,
    warnings,
  };
  const rowShapes = await runnableShapes(target, manifest, label, single);
  if (rowShapes !== undefined) result.rowShapes = rowShapes;
  return result;
}

/** Possible readings of the declared shapes, likeliest first. Empty when nothing can be a batch axis. */
function axisPlans(inputs: readonly TensorMeta[], manifest: ModelManifest): AxisPlan[] {
  const symbol = batchSymbol(inputs);
  const isOpen = (dim: number | string | undefined) => typeof dim === 'string';
  const named = (input: TensorMeta) => (symbol === undefined ? -1 : input.shape.indexOf(symbol));
  const readings = [
    (input: TensorMeta) => (named(input) >= 0 ? named(input) : input.shape.findIndex(isOpen)),
    (input: TensorMeta) => (isOpen(input.shape[0]) ? 0 : -1),
    named,
  ];
  const plans = new Map<string, AxisPlan>();
  for (const reading of readings) {
    const plan: AxisPlan = new Map();
    for (const input of inputs) {
      const declared = manifest.inputs?.[input.name]?.batchAxis;
      const axis = declared === undefined ? reading(input) : declared;
      plan.set(input.name, axis === -1 ? null : axis);
    }
    if ([...plan.values()].some((axis) => axis !== null)) plans.set(JSON.stringify([...plan]), plan);
  }
  return [...plans.values()];
}

/** The name that marks the batch: a usual one, else that of the first input's first open dimension. */
function batchSymbol(inputs: readonly TensorMeta[]): string | undefined {
  const names = inputs.flatMap((input) => input.shape.filter((dim) => typeof dim === 'string' && dim !== ''));
  const usual = names.find((name) => BATCH_NAME.test(String(name)));
  const leading = inputs.map((input) => input.shape[0]).find((dim) => typeof dim === 'string' && dim !== '');
  const chosen = usual ?? leading ?? names[0];
  return chosen === undefined ? undefined : String(chosen);
}

async function tryPlan(
  target: ProbeTarget,
  manifest: ModelManifest,
  label: string,
  plan: AxisPlan,
): Promise<Probed | string> {
  const axes = (input: TensorMeta) => plan.get(input.name) ?? null;
  const pinned = new Map(
    target.inputs.map((input) => [
      input.name,
      pinnedShape(input, axes(input), manifest.inputs?.[input.name]?.shape, label),
    ]),
  );
  let failure = 'no size of its open dimensions could be guessed';
  for (const size of sizesFor(pinned)) {
    const shapes = filled(pinned, size);
    let one: Record<string, HostTensor>;
    let two: Record<string, HostTensor>;
    try {
      one = await target.run(zeroFeeds(target.inputs, shapes, plan, 1));
      two = await target.run(zeroFeeds(target.inputs, shapes, plan, 2));
    } catch (error) {
      failure = `a trial run failed: ${messageOf(error)}`;
      continue;
    }
    const outputAxes = new Map<string, number>();
    for (const output of target.outputs) {
      const axis = outputAxis(one[output.name], two[output.name], manifest.batchable === true);
      if (typeof axis === 'string') return `output ${output.name} ${axis}`;
      const declared = manifest.outputs?.[output.name]?.batchAxis;
      if (typeof declared === 'number' && declared !== axis) {
        return `output ${output.name} grows along axis ${axis}, not along ${declared} as model.json says`;
      }
      outputAxes.set(output.name, axis);
    }
    const open = [...pinned.values()].some((shape) => shape.includes(null));
    const found = describe(
      target,
      manifest,
      label,
      plan,
      (name) => outputAxes.get(name) ?? 0,
      open ? undefined : one,
    );
    return { ...found, rowShapes: shapes };
  }
  return failure;
}

/** The output's batch axis, or why it has none: the one dimension that is 1 for one row and 2 for two. */
function outputAxis(
  one: HostTensor | undefined,
  two: HostTensor | undefined,
  trusted: boolean,
): number | string {
  if (one === undefined || two === undefined || one.dims.length !== two.dims.length)
    return 'changes its rank with the rows';
  const changed = one.dims.flatMap((dim, index) => (dim === two.dims[index] ? [] : [index]));
  const axis = changed[0];
  if (axis === undefined) return 'does not grow with the rows';
  if (changed.length > 1 || one.dims[axis] !== 1 || two.dims[axis] !== 2) {
    return `has shape [${one.dims.join(',')}] for one row and [${two.dims.join(',')}] for two`;
  }
  if (!trusted && !rowsEqual(one, two, axis))
    return 'gives a row another value when a second row is beside it';
  return axis;
}

/** Both rows of `two` were fed what the one of `one` was: anything that mixes rows shows here. */
function rowsEqual(one: HostTensor, two: HostTensor, axis: number): boolean {
  const inner = elementCount(one.dims.slice(axis + 1));
  for (let i = 0; i < two.data.length; i++) {
    const source = Math.floor(i / (2 * inner)) * inner + (i % inner);
    const expected = (one.data as NumberArray)[source];
    const got = (two.data as NumberArray)[i];
    if (expected === got) continue;
    const [a, b] = [Number(expected), Number(got)];
    // Kernels may sum in another order for another batch size; 1e-3 is far above that noise.
    if (Number.isNaN(a) && Number.isNaN(b)) continue;
    if (one.type === 'float16') continue;
    if (!(Math.abs(a - b) <= 1e-3 * Math.max(1, Math.abs(a)))) return false;
  }
  return true;
}

async function runnableShapes(
  target: ProbeTarget,
  manifest: ModelManifest,
  label: string,
  plan: AxisPlan,
): Promise<Map<string, number[]> | undefined> {
  const pinned = new Map(
    target.inputs.map((input) => [
      input.name,
      pinnedShape(input, null, manifest.inputs?.[input.name]?.shape, label),
    ]),
  );
  for (const size of sizesFor(pinned)) {
    const shapes = filled(pinned, size);
    try {
      await target.run(zeroFeeds(target.inputs, shapes, plan, 1));
      return shapes;
    } catch {
      // The next size may fit; a model that refuses zeros altogether goes without a warm-up.
    }
  }
  return undefined;
}

/** Feeds of `rows` rows of zeros (empty strings), in the model's layout. */
export function zeroFeeds(
  inputs: readonly { name: string; type: DataType }[],
  rowShapes: ReadonlyMap<string, number[]>,
  axes: ReadonlyMap<string, number | null>,
  rows: number,
): Record<string, HostTensor> {
  const feeds: Record<string, HostTensor> = {};
  for (const { name, type } of inputs) {
    const shape = rowShapes.get(name) ?? [];
    const axis = axes.get(name) ?? null;
    const dims = axis === null ? [...shape] : [...shape.slice(0, axis), rows, ...shape.slice(axis)];
    feeds[name] = { type, dims, data: zeros(type, elementCount(dims)) };
  }
  return feeds;
}

function sizesFor(shapes: ReadonlyMap<string, (number | null)[]>): number[] {
  return [...shapes.values()].some((shape) => shape.includes(null)) ? TRIAL_SIZES : [0];
}

function filled(shapes: ReadonlyMap<string, (number | null)[]>, size: number): Map<string, number[]> {
  return new Map([...shapes].map(([name, shape]) => [name, shape.map((dim) => dim ?? size)]));
}

/** The signature's tensors for a plan. `sample` gives output sizes the file leaves open, when inputs leave none. */
function describe(
  target: ProbeTarget,
  manifest: ModelManifest,
  label: string,
  plan: AxisPlan,
  outputAxisOf: (name: string) => number | null,
  sample?: Record<string, HostTensor>,
): Probed {
  const batchable = [...plan.values()].some((axis) => axis !== null);
  const inputs = target.inputs.map((input): TensorSignature => {
    const axis = plan.get(input.name) ?? null;
    const shape = pinnedShape(input, axis, manifest.inputs?.[input.name]?.shape, label);
    return { ...input, shape, shared: batchable && axis === null, batchAxis: axis, modelShape: input.shape };
  });
  const outputs = target.outputs.map((output): TensorSignature => {
    const axis = outputAxisOf(output.name);
    const dims = sample?.[output.name]?.dims;
    // A file may declare no output shape at all; then the rank is the trial run's.
    const known = output.shape.length === dims?.length || dims === undefined ? output.shape : dims;
    const merged = known.map((dim, index) =>
      typeof dim === 'string' && dims !== undefined ? (dims[index] ?? dim) : dim,
    );
    const shape = pinnedShape(
      { ...output, shape: merged },
      axis,
      manifest.outputs?.[output.name]?.shape,
      label,
      'outputs',
    );
    return { ...output, shape, shared: false, batchAxis: axis, modelShape: output.shape };
  });
  return { batchable, inputs, outputs, warnings: [] };
}
