import { messageOf } from '../core/errors.js';
import type { AxisPlan } from './axis-plans.js';
import { type Batching, mixes, type OutputDifference, overRows, unsteady } from './batching.js';
import { differenceOf, isBeyond } from './compare-rows.js';
import type { DefaultValue } from './default-value.js';
import { defaultElements } from './defaults.js';
import type { HostTensor } from './layout.js';
import type { PinnedShapes, ProbeTarget } from './probe-target.js';
import { type OutputAxes, type Outputs, type Proof, proveRow } from './row-proof.js';
import {
  alike,
  feedRows,
  INT_ENDS,
  makeRow,
  makeShared,
  type Row,
  type RowInput,
  type RowKind,
  seeded,
} from './trial-rows.js';
import { otherLengths, type RowShapes, trialShapes } from './trial-shapes.js';

export interface TrialTask {
  target: ProbeTarget;
  plan: AxisPlan;
  pinned: PinnedShapes;
  /** Output axes declared in model.json; null = shared by all rows. */
  declaredOutputs: ReadonlyMap<string, number | null>;
  /** By input name. */
  defaults: ReadonlyMap<string, DefaultValue>;
}

export interface TrialResult {
  batching: Batching;
  /** Where the outputs grow; absent when nothing ran. */
  axes?: OutputAxes;
  /** Row shapes that are known to run. */
  shapes?: RowShapes;
  /** The outputs of one row of these shapes. */
  sample?: Outputs;
  /** The field of model.json that contradicts the trial. */
  contradicts?: string;
}

/** The tested row, and the other rows of its run. */
interface Round {
  before: readonly RowKind[];
  target: RowKind;
  after: readonly RowKind[];
}

const alternating = (rows: number): RowKind[] =>
  Array.from({ length: rows }, (_, at) => (at % 2 === 0 ? 'large' : 'plain'));

/**
 * The most informative first: the row is first, last and in the middle, a small one among large ones and a
 * large one among small ones, in runs of 2 to 9; then of 32, for models that look at more distant rows, such
 * as a dilated convolution along a sequence.
 */
const ROUNDS: readonly Round[] = [
  { before: ['large'], target: 'plain', after: ['large'] },
  { before: [], target: 'opposite', after: ['plain'] },
  { before: ['plain'], target: 'large', after: [] },
  { before: ['plain', 'large'], target: 'unit', after: ['opposite', 'zero'] },
  { before: ['unit', 'unit', 'plain', 'zero'], target: 'unit', after: ['unit', 'large', 'plain', 'unit'] },
  { before: ['opposite'], target: 'plain', after: ['large', 'unit'] },
  { before: alternating(16), target: 'unit', after: alternating(15) },
];
/** Replacements for these kinds of other rows, to see whether they matter. */
const OTHER: Record<RowKind, RowKind> = {
  plain: 'large',
  opposite: 'large',
  large: 'unit',
  unit: 'large',
  zero: 'large',
};
/** No further round starts after this many ms of trial, beyond the first two. */
const BUDGET_MS = 150;
/** If the first round took longer than this, it is the only one. */
const SLOW_ROUND_MS = 2000;
/** The search for lengths and values that the model accepts is abandoned after this time. */
const SEARCH_MS = 10_000;
const SEED = 20_241;

/**
 * Messages of ONNX Runtime's operators for an index outside its table, or a text that is not a number: a Cast
 * of such text only names the C++ function that threw (`stod`).
 */
const OUT_OF_RANGE =
  /^(?!.*invalid dimensions).*(?:out of (?:data )?bounds|out of range|indices|index\b|parse|convert|\bsto(?:[dfi]|ld|u?ll?)\b)/i;

/**
 * Tries a reading of the batch axes: the same rows alone and together must have equal outputs, at several
 * lengths of every open dimension. At least one round of two runs; the budget decides about more.
 */
export async function runTrial(task: TrialTask): Promise<TrialResult> {
  const trial = new Trial(task);
  return trial.run();
}

class RunError extends Error {}

class Trial {
  private readonly random = seeded(SEED);
  private level = 0;
  private axes: OutputAxes | undefined;
  private sample: Outputs | undefined;
  private contradicts: string | undefined;

  constructor(private readonly task: TrialTask) {}

  async run(): Promise<TrialResult> {
    const started = performance.now();
    const opening = await this.open(started);
    if ('batching' in opening) return opening;
    const { shapes, first, ms } = opening;
    const found = this.found(shapes);
    const proofs: Proof[] = [];
    let outcome = first;
    const lengths = [
      shapes,
      ...otherLengths(this.task.pinned, this.task.target.inputs, this.task.plan, shapes),
    ];
    for (let round = 1; ; round++) {
      if ('batching' in outcome) return { ...found, batching: outcome.batching };
      proofs.push(outcome.proof);
      const spent = performance.now() - started;
      const enough = round >= 2 ? spent + ms > BUDGET_MS : ms > SLOW_ROUND_MS;
      const next = ROUNDS[round];
      if (next === undefined || enough) break;
      outcome = (await this.tryRound(next, lengths, round)) ?? outcome;
    }
    // Ties are rare among random numbers: if two rows differ, their number or position is the likely cause.
    const ties = proofs.flatMap((proof) => (proof.verdict === 'tie' ? [proof.found] : []));
    const [tie] = ties;
    if (tie !== undefined && ties.length >= Math.min(2, proofs.length))
      return { ...found, batching: mixes(tie) };
    return { ...found, batching: { ok: true } };
  }

  private found(shapes: RowShapes): Omit<TrialResult, 'batching'> {
    return {
      shapes,
      ...(this.axes === undefined ? {} : { axes: this.axes }),
      ...(this.sample === undefined ? {} : { sample: this.sample }),
      ...(this.contradicts === undefined ? {} : { contradicts: this.contradicts }),
    };
  }

  /** The first round, at the first lengths and values that the model accepts. */
  private async open(
    started: number,
  ): Promise<TrialResult | { shapes: RowShapes; first: RoundOutcome; ms: number }> {
    const { pinned, plan, target } = this.task;
    let failure = '';
    let togetherFailure: string | undefined;
    for (const shapes of trialShapes(pinned, target.inputs, plan)) {
      for (this.level = 0; this.level < INT_ENDS.length; this.level++) {
        const begun = performance.now();
        try {
          const first = await this.round(ROUNDS[0] as Round, shapes);
          return { shapes, first, ms: performance.now() - begun };
        } catch (error) {
          if (!(error instanceof RunError)) throw error;
          failure ||= error.message;
          if (error.cause === 'together') togetherFailure ??= error.message;
          if (performance.now() - started > SEARCH_MS || !OUT_OF_RANGE.test(error.message)) break;
        }
      }
      if (performance.now() - started > SEARCH_MS) break;
    }
    if (togetherFailure !== undefined) {
      const text = `it runs one row and fails with three: ${togetherFailure}`;
      return { batching: { ok: false, reason: 'shapes', text } };
    }
    const text =
      failure === ''
        ? 'no size of its open dimensions could be guessed'
        : `no trial run succeeded: ${failure}`;
    return { batching: { ok: false, reason: 'failed', text } };
  }

  /** One more round, at another length if that runs; undefined when neither does. */
  private async tryRound(
    round: Round,
    lengths: readonly RowShapes[],
    index: number,
  ): Promise<RoundOutcome | undefined> {
    const [known] = lengths as [RowShapes];
    const other = lengths[index % lengths.length] as RowShapes;
    const levels = INT_ENDS.length;
    for (const shapes of other === known ? [known] : [other, known]) {
      for (; ; this.level++) {
        try {
          return await this.round(round, shapes);
        } catch (error) {
          if (!(error instanceof RunError)) throw error;
          if (shapes !== known || this.level + 1 >= levels || !OUT_OF_RANGE.test(error.message)) break;
        }
      }
    }
    return undefined;
  }

  private async round({ before, target, after }: Round, shapes: RowShapes): Promise<RoundOutcome> {
    const inputs = this.inputsOf(shapes);
    const row = makeRow(inputs, target, this.level, this.random);
    const others = (kinds: readonly RowKind[]) => kinds.map((kind) => this.otherThan(row, inputs, kind));
    const rows = [...others(before), row, ...others(after)];
    const at = before.length;
    const { plan } = this.task;
    const shared: Row = new Map(
      inputs.flatMap((input) =>
        (plan.get(input.name) ?? null) === null
          ? [[input.name, makeShared(input, this.level, this.random)] as const]
          : [],
      ),
    );
    const run = async (some: readonly Row[]) => this.feed(feedRows(inputs, plan, some, shared), some.length);
    const alone = await run([row]);
    const together = await run(rows);
    const axes = this.axesOf(alone, together, rows.length);
    if (typeof axes === 'string') return { batching: { ok: false, reason: 'shapes', text: axes } };
    this.axes ??= axes;
    this.sample ??= alone;
    const constants = [...axes].flatMap(([name, axis]) => (axis === null ? [name] : []));
    if (constants.length > 0) {
      const neighbour = rows[at === 0 ? 1 : 0] as Row;
      const wrong = await this.checkConstants(
        constants,
        alone,
        together,
        () => run([neighbour]),
        () => run([row]),
      );
      if (wrong !== undefined) return { batching: wrong };
    }
    if (constants.length === axes.size) {
      return { batching: { ok: false, reason: 'shapes', text: 'no output grows with the rows' } };
    }
    const growing = new Map([...axes].filter(([, axis]) => axis !== null));
    const proof = await proveRow({
      axes: growing,
      alone,
      together,
      at,
      again: () => run([row]),
      amongOthers: () => {
        const others = [...before, target, ...after].map((kind) => this.otherThan(row, inputs, OTHER[kind]));
        others[at] = row;
        return run(others);
      },
    });
    if (proof.verdict === 'mixes') return { batching: mixes(proof.found) };
    if (proof.verdict === 'unsteady') return { batching: unsteady(proof.found) };
    return { proof };
  }

  /** Outputs that do not grow must be the same for all rows. */
  private async checkConstants(
    names: readonly string[],
    alone: Outputs,
    together: Outputs,
    runNeighbour: () => Promise<Outputs>,
    runAgain: () => Promise<Outputs>,
  ): Promise<Batching | undefined> {
    const neighbour = await runNeighbour();
    const compare = (name: string, other: Outputs): OutputDifference => {
      const [a, b] = [alone[name] as HostTensor, other[name] as HostTensor];
      return differenceOf(name, a.type, a.data, b.data);
    };
    const found = names
      .flatMap((name) => [compare(name, together), compare(name, neighbour)])
      .filter(isBeyond)
      .sort((a, b) => b.difference - a.difference);
    const [worst] = found;
    if (worst === undefined) return undefined;
    const again = compare(worst.output, await runAgain());
    return isBeyond(again) ? unsteady(again) : overRows(worst);
  }

  private async feed(feeds: Record<string, HostTensor>, rows: number): Promise<Outputs> {
    try {
      return await this.task.target.run(feeds, true);
    } catch (error) {
      throw new RunError(messageOf(error), { cause: rows > 1 ? 'together' : 'alone' });
    }
  }

  /** A row of this kind with values other than those of `row`, if possible. */
  private otherThan(row: Row, inputs: readonly RowInput[], kind: RowKind): Row {
    let other = makeRow(inputs, kind, this.level, this.random);
    for (let tries = 0; tries < 8 && alike(row, other); tries++)
      other = makeRow(inputs, tries < 4 ? kind : 'large', this.level, this.random);
    return other;
  }

  private inputsOf(shapes: RowShapes): RowInput[] {
    return this.task.target.inputs.map(({ name, type }) => {
      const shape = shapes.sizes.get(name) ?? [];
      const value = defaultElements({ name, type }, shape, this.task.defaults.get(name));
      return { name, type, shape, length: shapes.length, ...(value === undefined ? {} : { default: value }) };
    });
  }

  /** Axis of each output with as many positions as there are rows; a sentence if there is no such reading. */
  private axesOf(alone: Outputs, together: Outputs, rows: number): OutputAxes | string {
    const axes = new Map<string, number | null>();
    for (const { name } of this.task.target.outputs) {
      const axis = growthOf(alone[name], together[name], rows);
      if (typeof axis === 'string') return `output ${name} ${axis}`;
      const declared = this.task.declaredOutputs.get(name);
      if (declared !== undefined && declared !== axis) {
        this.contradicts = `field outputs.${name}.batchAxis: ${declared}`;
        return axis === null
          ? `output ${name} does not grow with the rows`
          : `output ${name} grows with the rows along axis ${axis}`;
      }
      // An empty list of findings over all rows: it would be given to every row.
      if (axis === null && declared === undefined && (alone[name] as HostTensor).data.length === 0)
        return `output ${name} was empty in the trial, which tells nothing of its rows`;
      axes.set(name, axis);
    }
    const before = this.axes;
    for (const [name, axis] of axes) {
      if (before !== undefined && before.get(name) !== axis)
        return `output ${name} grows along another axis at another length`;
    }
    return axes;
  }
}

type RoundOutcome = { batching: Batching } | { proof: Proof };

/** The one dimension that is 1 for one row and `rows` for that many; null when nothing grows. */
function growthOf(
  one: HostTensor | undefined,
  many: HostTensor | undefined,
  rows: number,
): number | null | string {
  if (one === undefined || many === undefined || one.dims.length !== many.dims.length)
    return 'changes its rank with the rows';
  const changed = one.dims.flatMap((dim, index) => (dim === many.dims[index] ? [] : [index]));
  const axis = changed[0];
  if (axis === undefined) return null;
  if (changed.length === 1 && one.dims[axis] === 1 && many.dims[axis] === rows) return axis;
  return `has shape [${one.dims.join(',')}] for one row and [${many.dims.join(',')}] for ${rows}`;
}
