import { type AxisPlan, axisPlans, rowAxes } from './axis-plans.js';
import { type Batching, batchingWarning, DECLARED, FIXED } from './batching.js';
import type { DefaultValue } from './default-value.js';
import { defaultElements, withDefaults } from './defaults.js';
import { type HostTensor, zeros } from './layout.js';
import type { ModelManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import { pinnedShape } from './pinned-shape.js';
import type { PinnedShapes, ProbeTarget, TensorMeta } from './probe-target.js';
import { type Reading, rankReadings } from './rank-readings.js';
import type { OutputAxes, Outputs } from './row-proof.js';
import type { TensorSignature } from './signature.js';
import { type DataType, elementCount } from './tensor.js';
import { runTrial, type TrialResult } from './trial.js';
import { feedRows, type Row } from './trial-rows.js';
import { trialShapes } from './trial-shapes.js';

export interface Probed {
  batchable: boolean;
  batching: Batching;
  inputs: TensorSignature[];
  outputs: TensorSignature[];
  /** Row shapes at which one row ran, by input; absent when nothing did. Used for the warm-up. */
  rowShapes?: ReadonlyMap<string, number[]>;
  /** The raw outputs of one row that ran: a random one of the trial, else one of zeros. */
  sample?: Outputs;
  warnings: string[];
}

const DECLARE = 'declare inputs.<name>.batchAxis (and shape, where open) in model.json';
const ONE_BY_ONE =
  'leave batchAxis and batchable out of model.json, or say "batchable": false: its rows then run one at a time';

/**
 * Finds each tensor's batch axis by a trial: runs random rows alone and together and compares the outputs. A
 * model whose rows are not independent, or that does not run in the trial, is treated as not batchable, with
 * the reason.
 * @throws InferError MODEL_MANIFEST when model.json contradicts the ONNX file, or declares a batch
 * axis that the trial disproves.
 */
export async function probe(target: ProbeTarget, manifest: ModelManifest, label: string): Promise<Probed> {
  const [first, ...others] = rankReadings(target, manifest);
  let found = await probeAs(first as Reading, label);
  for (const other of others) {
    if (found.batchable) break;
    const { batching, warnings } = found;
    const next = await probeAs(other, label);
    found = next.batchable ? next : { ...next, batching, warnings };
  }
  return { ...found, inputs: withDefaults(found.inputs, manifest, label) };
}

async function probeAs({ target, manifest }: Reading, label: string): Promise<Probed> {
  const probing = new Probing(target, manifest, label);
  probing.checkFixed();
  if (manifest.batchable === false) return probing.oneByOne(DECLARED, probing.namedOutputs());
  const plans = axisPlans(target.inputs, manifest);
  const results: { plan: AxisPlan; result: TrialResult }[] = [];
  for (const plan of plans) {
    const result = await runTrial(probing.task(plan));
    if (result.batching.ok) return probing.batched(plan, result);
    results.push({ plan, result });
  }
  const [first] = results;
  if (first === undefined) {
    if (manifest.batchable === true) throw probing.disproved('field batchable: true', FIXED);
    return probing.oneByOne(FIXED);
  }
  // Report the clearest proof: "rows mix" before "another reading has no axis at all".
  const told = results.find(({ result }) => reasonOf(result) === 'mixes') ?? first;
  const { batching } = told.result;
  const declared = told.result.contradicts ?? probing.declaredAxis();
  if (declared !== undefined) {
    if (reasonOf(told.result) === 'mixes' || reasonOf(told.result) === 'shapes')
      throw probing.disproved(declared, batching);
    return probing.unchecked(told.plan, told.result);
  }
  const mixing = reasonOf(told.result) === 'mixes' || reasonOf(told.result) === 'unsteady';
  return mixing ? probing.oneByOne(batching, told.result.axes, told.result) : probing.oneByOne(batching);
}

function reasonOf({ batching }: TrialResult): string | undefined {
  return batching.ok ? undefined : batching.reason;
}

/** One model's probe: turns the outcomes of its trials into its signature. */
class Probing {
  constructor(
    private readonly target: ProbeTarget,
    private readonly manifest: ModelManifest,
    private readonly label: string,
  ) {}

  task(plan: AxisPlan) {
    const declared = Object.entries(this.manifest.outputs ?? {}).flatMap(([name, { batchAxis }]) =>
      batchAxis === undefined ? [] : [[name, batchAxis] as const],
    );
    return {
      target: this.target,
      plan,
      pinned: this.pinned(plan),
      declaredOutputs: new Map(declared),
      defaults: this.defaults,
    };
  }

  private get defaults(): ReadonlyMap<string, DefaultValue> {
    return new Map(
      Object.entries(this.manifest.inputs ?? {}).flatMap(([name, input]) =>
        input.default === undefined ? [] : [[name, input.default] as const],
      ),
    );
  }

  batched(plan: AxisPlan, trial: TrialResult): Probed {
    const open = [...this.pinned(plan).values()].some((shape) => shape.includes(null));
    return {
      batchable: true,
      batching: { ok: true },
      ...this.describe(plan, trial.axes ?? new Map(), true, open ? undefined : trial.sample),
      ...whatRan(trial),
      warnings: [],
    };
  }

  /** What model.json says, if no trial could prove or disprove it. */
  unchecked(plan: AxisPlan, trial: TrialResult): Probed {
    const { batching, axes } = trial;
    const outputs = this.target.outputs.map(({ name }): [string, number | null] => {
      const declared = this.manifest.outputs?.[name]?.batchAxis;
      return [name, declared === undefined ? (axes?.get(name) ?? 0) : declared];
    });
    const why = batching.ok ? '' : batching.text;
    return {
      batchable: true,
      batching: { ok: true },
      ...this.describe(plan, new Map(outputs), true),
      ...whatRan(trial),
      warnings: [`batching is taken from model.json unchecked: ${why}`],
    };
  }

  /**
   * One row per run. Rows are counted along axes that are declared or named as the batch, if the outputs are
   * known to grow with them; any other dynamic axis is part of the row.
   */
  async oneByOne(batching: Batching, axes?: OutputAxes, trial?: TrialResult): Promise<Probed> {
    const counted = axes === undefined ? new Map<string, null>() : rowAxes(this.target.inputs, this.manifest);
    const keeps = [...counted.values()].some((axis) => axis !== null);
    const plan: AxisPlan = keeps
      ? counted
      : new Map(this.target.inputs.map((input) => [input.name, null] as const));
    const warning = batchingWarning(batching);
    const hint = !batching.ok && batching.reason !== 'mixes' ? `; ${DECLARE} if it can batch` : '';
    return {
      batchable: false,
      batching,
      ...this.describe(plan, keeps ? (axes as OutputAxes) : new Map(), false),
      ...(keeps && trial?.shapes !== undefined ? whatRan(trial) : await this.runnable(plan)),
      warnings: warning === undefined ? [] : [`${warning}${hint}`],
    };
  }

  /** Output axes by their declared or usual names: for a model without a trial. */
  namedOutputs(): OutputAxes {
    const names = new Set(
      [...rowAxes(this.target.inputs, this.manifest)].flatMap(([name, axis]) => {
        const dim = this.target.inputs.find((input) => input.name === name)?.shape[axis ?? -1];
        return typeof dim === 'string' && dim !== '' ? [dim] : [];
      }),
    );
    return new Map(
      this.target.outputs.map(({ name, shape }): [string, number | null] => {
        const declared = this.manifest.outputs?.[name]?.batchAxis;
        const axis = shape.findIndex((dim, index) => names.has(String(dim)) || (index === 0 && dim === ''));
        return [name, declared !== undefined ? declared : axis < 0 ? null : axis];
      }),
    );
  }

  /** The part of model.json that says rows may run together; undefined when nothing does. */
  declaredAxis(): string | undefined {
    for (const section of ['inputs', 'outputs'] as const) {
      for (const [name, { batchAxis }] of Object.entries(this.manifest[section] ?? {})) {
        if (typeof batchAxis === 'number') return `field ${section}.${name}.batchAxis: ${batchAxis}`;
      }
    }
    return this.manifest.batchable === true ? 'field batchable: true' : undefined;
  }

  /** @throws InferError MODEL_MANIFEST for a declared axis of a fixed size. */
  checkFixed(): void {
    for (const { name, shape } of this.target.inputs) {
      const axis = this.manifest.inputs?.[name]?.batchAxis;
      const dim = typeof axis === 'number' ? shape[axis] : undefined;
      if (typeof dim !== 'number' || (dim === 1 && this.manifest.batchable === false)) continue;
      const text = `axis ${axis} of input ${name} has the fixed size ${dim}`;
      throw this.disproved(`field inputs.${name}.batchAxis: ${axis}`, { ok: false, reason: 'fixed', text });
    }
  }

  disproved(field: string, batching: Batching): Error {
    const text = batching.ok ? '' : batching.text;
    return manifestError(
      this.label,
      `${field}, but the model's rows cannot share a run: ${text}`,
      ONE_BY_ONE,
    );
  }

  private pinned(plan: AxisPlan): PinnedShapes {
    return new Map(
      this.target.inputs.map((input) => [
        input.name,
        pinnedShape(
          input,
          plan.get(input.name) ?? null,
          this.manifest.inputs?.[input.name]?.shape,
          this.label,
        ),
      ]),
    );
  }

  private async runnable(plan: AxisPlan): Promise<Pick<Probed, 'rowShapes' | 'sample'>> {
    for (const { sizes } of trialShapes(this.pinned(plan), this.target.inputs, plan)) {
      try {
        const feeds = zeroFeeds(this.target.inputs, sizes, plan, 1, this.defaults);
        return { rowShapes: sizes, sample: await this.target.run(feeds, true) };
      } catch {
        // The next size may fit; a model that rejects zeros altogether has no sample and no warm-up.
      }
    }
    return {};
  }

  /**
   * The signature's tensors. `sample` provides output sizes that the file leaves open, if no inputs are open.
   */
  private describe(plan: AxisPlan, outputAxes: OutputAxes, batchable: boolean, sample?: Outputs) {
    const signature = (
      meta: TensorMeta,
      shape: (number | null)[],
      batchAxis: number | null,
    ): TensorSignature => ({
      ...meta,
      shape,
      shared: batchable && batchAxis === null,
      batchAxis,
      modelShape: meta.shape,
    });
    const shapes = this.pinned(plan);
    const inputs = this.target.inputs.map((input) =>
      signature(input, [...(shapes.get(input.name) ?? [])], plan.get(input.name) ?? null),
    );
    const outputs = this.target.outputs.map((output) => {
      const axis = outputAxes.get(output.name) ?? null;
      const dims = sample?.[output.name]?.dims;
      // A file may declare no output shape at all; then the rank is that of the trial run.
      const known = output.shape.length === dims?.length || dims === undefined ? output.shape : dims;
      const merged = known.map((dim, index) =>
        typeof dim === 'string' && dims !== undefined ? (dims[index] ?? dim) : dim,
      );
      const shape = pinnedShape(
        { ...output, shape: merged },
        axis,
        this.manifest.outputs?.[output.name]?.shape,
        this.label,
        'outputs',
      );
      return signature(output, shape, axis);
    });
    return { inputs, outputs };
  }
}

/** Shapes and outputs of the row that ran in a trial, if any. */
function whatRan({ shapes, sample }: TrialResult): Pick<Probed, 'rowShapes' | 'sample'> {
  return {
    ...(shapes === undefined ? {} : { rowShapes: shapes.sizes }),
    ...(sample === undefined ? {} : { sample }),
  };
}

/**
 * Feeds of `rows` rows of zeros (empty strings), or of an input's default if it has one, in the model's
 * layout.
 */
export function zeroFeeds(
  inputs: readonly { name: string; type: DataType }[],
  rowShapes: ReadonlyMap<string, number[]>,
  axes: ReadonlyMap<string, number | null>,
  rows: number,
  defaults: ReadonlyMap<string, DefaultValue>,
): Record<string, HostTensor> {
  const shaped = inputs.map(({ name, type }) => ({ name, type, shape: rowShapes.get(name) ?? [] }));
  const row: Row = new Map(
    shaped.map((input) => {
      const { name, type, shape } = input;
      const value = defaultElements(input, shape, defaults.get(name));
      return [name, value ?? zeros(type, elementCount(shape))];
    }),
  );
  return feedRows(shaped, axes, new Array<Row>(rows).fill(row), row);
}
