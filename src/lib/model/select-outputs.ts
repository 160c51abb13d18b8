import { InferError } from '../core/errors.js';
import type { ModelManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import type { RowFailure } from './row-failure.js';
import { ScoredOutput } from './scored-output.js';
import {
  type Choosable,
  CLASSES,
  choicesOf,
  type Making,
  makingOf,
  type RowsSelection,
  resultOutputs,
  type Selection,
  selectionOf,
} from './selection.js';
import { classifies, givesTensors, type ModelSignature } from './signature.js';
import type { RunOutputs } from './task-plan.js';
import {
  concatRows,
  elementCount,
  encodeStrings,
  type Payload,
  type RowTensor,
  rowOffsets,
  sliceRows,
  splitRows,
} from './tensor.js';

/**
 * A published signature with the selection of model.json applied, and what applies it to runs.
 * @throws InferError MODEL_MANIFEST for a selection that the model's outputs rule out.
 */
export function withOwnSelection(
  published: ModelSignature,
  manifest: ModelManifest,
  label: string,
): { signature: ModelSignature; selector: OutputSelector } {
  const { chosen, topK, argmax, classAxis } = manifest;
  const scored = givesTensors(published) && classAxis !== undefined;
  const whole: ModelSignature = { ...published, ...(scored ? { classAxis } : {}) };
  let own: Selection | undefined;
  try {
    own = selectionOf({ outputs: chosen, topK, argmax }, whole);
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    throw manifestError(label, `fields outputs, topK and argmax: ${error.message}`, error.hint);
  }
  const selector = new OutputSelector(whole, own);
  if (own === undefined) return { signature: whole, selector };
  const choice = { choices: whole.outputs, ...(own.topK === undefined ? {} : { topK: own.topK }) };
  return { signature: { ...whole, outputs: resultOutputs(whole, own), ...choice }, selector };
}

/** Reduces the outputs of runs of one model to what their rows ask for. */
export class OutputSelector {
  private readonly labels: readonly Uint8Array[] | undefined;

  /** @param own the selection of model.json, for rows that ask for none */
  constructor(
    private readonly model: Choosable,
    private readonly own: Selection | undefined,
  ) {
    this.labels = model.labels?.map((label) => encodeStrings([label]));
  }

  /** The most classes that any row of a run asks for; 0 if none does. */
  mostClasses(parts: readonly RowsSelection[] = []): number {
    const asked = [this.own, ...parts].map((one) => one?.topK?.[CLASSES] ?? 0);
    return classifies(this.model) ? Math.max(...asked) : 0;
  }

  /**
   * The outputs that the rows of a run ask for. Rows that ask for different ones are the `segments` of the
   * answer. A row of which an argmax is asked, and whose scores are all NaN, fails.
   */
  apply(ran: RunOutputs, parts?: readonly RowsSelection[]): RunOutputs {
    const { outputs, failed } = ran;
    if (parts === undefined && this.own === undefined) return ran;
    const rows = outputs.rows + failed.length;
    const bad = new Set(failed.map(({ row }) => row));
    const segments: Payload[] = [];
    const more: RowFailure[] = [];
    let first = 0;
    let from = 0;
    for (const part of parts ?? [{ rows }]) {
      const numbers = Array.from({ length: part.rows }, (_, at) => first + at).filter((row) => !bad.has(row));
      const own = sliceRows(outputs, from, from + numbers.length);
      const { failed: unfit, outputs: reduced } = this.reduce(own, part);
      segments.push(reduced);
      more.push(...unfit.map(({ row, error }) => ({ row: numbers[row] as number, error })));
      first += part.rows;
      from += numbers.length;
    }
    const all = [...failed, ...more];
    const [only, another] = segments;
    if (only !== undefined && another === undefined) return { outputs: only, failed: all };
    return { outputs: { rows: rows - all.length, tensors: [], segments }, failed: all };
  }

  /** Rows that ask for the same. */
  private reduce(outputs: Payload, { wanted = this.own?.wanted, topK }: RowsSelection): RunOutputs {
    if (outputs.rows === 0) return { outputs, failed: [] };
    const names = wanted ?? choicesOf(this.model).map(({ name }) => name);
    const makings = names.map((name): [string, Making] => {
      const making = makingOf(name, this.model);
      if (making !== undefined) return [name, making];
      throw new InferError('RUN_FAILED', `the model has no output ${name}`);
    });
    const most = { ...this.own?.topK, ...topK };
    const made = makings.some(([, { kind }]) => kind !== 'whole' && kind !== 'classes');
    if (!made || outputs.tensors.every(({ shapes }) => shapes === undefined))
      return this.made(outputs, makings, most);
    // Rows of their own shapes are reduced one by one.
    const each = splitRows(outputs, new Array<number>(outputs.rows).fill(1)).map((row) =>
      this.made(row, makings, most),
    );
    const good = each.flatMap(({ outputs: row }) => (row.rows === 0 ? [] : [row]));
    return {
      outputs: good.length === 0 ? { rows: 0, tensors: [] } : concatRows(good),
      failed: each.flatMap(({ failed }, row) => failed.map(({ error }) => ({ row, error }))),
    };
  }

  /** Rows of the same shapes. */
  private made(
    outputs: Payload,
    makings: readonly [string, Making][],
    most: Readonly<Record<string, number>>,
  ): RunOutputs {
    const scored = new Map<string, ScoredOutput>();
    const scoresOf = (name: string, axis: number): ScoredOutput => {
      const known = scored.get(name) ?? new ScoredOutput(sourceOf(outputs, name), outputs.rows, axis);
      scored.set(name, known);
      return known;
    };
    const failed = new Map<number, InferError>();
    for (const [, making] of makings) {
      if (making.kind !== 'argmax') continue;
      const { name } = making.of;
      for (const row of scoresOf(name, making.axis).rowsWithoutBest()) {
        if (!failed.has(row)) failed.set(row, withoutBest(name));
      }
    }
    if (failed.size > 0) {
      const good = splitRows(outputs, new Array<number>(outputs.rows).fill(1)).filter(
        (_, at) => !failed.has(at),
      );
      const rest =
        good.length === 0 ? { rows: 0, tensors: [] } : this.made(concatRows(good), makings, most).outputs;
      return { outputs: rest, failed: [...failed].map(([row, error]) => ({ row, error })) };
    }
    const tensors = makings.map(([name, making]): RowTensor => {
      if (making.kind === 'whole') return sourceOf(outputs, name);
      if (making.kind === 'classes')
        return firstClasses(sourceOf(outputs, name), outputs.rows, most[CLASSES] ?? 1);
      const scores = scoresOf(making.of.name, making.axis);
      if (making.kind === 'argmax') return scores.argmax(name);
      const k = most[making.of.name] ?? Number.POSITIVE_INFINITY;
      if (making.kind === 'scores') return scores.topScores(name, k);
      if (making.kind === 'indexes') return scores.topIndexes(name, k);
      return scores.topLabels(name, k, this.labels ?? []);
    });
    return { outputs: { rows: outputs.rows, tensors }, failed: [] };
  }
}

function sourceOf({ tensors }: Payload, name: string): RowTensor {
  const tensor = tensors.find((one) => one.name === name);
  if (tensor === undefined) throw new InferError('RUN_FAILED', `the model gave no output ${name}`);
  return tensor;
}

/** The first of the classes that a run found for those of its rows that asked for most. */
function firstClasses(source: RowTensor, rows: number, most: number): RowTensor {
  const found = source.shape.at(-1) ?? 0;
  const kept = Math.min(most, found);
  if (kept === found) return source;
  const elements = rows * elementCount(source.shape);
  const offsets = rowOffsets({ ...source, shape: [] }, elements);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < elements; at += found)
    pieces.push(source.data.subarray(offsets[at], offsets[at + kept]));
  return { ...source, shape: [...source.shape.slice(0, -1), kept], data: Buffer.concat(pieces) };
}

function withoutBest(name: string): InferError {
  return new InferError('RUN_FAILED', `output ${name} holds no number of which one could be the highest`, {
    hint: 'the scores are NaN, or there are none: check the input of this row',
  });
}
