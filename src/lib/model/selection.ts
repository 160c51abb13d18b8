import { closestWord } from '../config/suggest.js';
import { BOUNDS } from '../core/bounds.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/printable.js';
import { isBatchName } from './axis-plans.js';
import { classifies, givesTensors, type ModelSignature, type TensorSignature } from './signature.js';
import { ELEMENT_BYTES, elementCount, type Payload } from './tensor.js';

/** What a caller, or model.json, asks of a model's outputs. */
export interface SelectionWish {
  /** Names of the outputs; `*` is every output as the model gives it. */
  outputs?: readonly string[] | undefined;
  /** The k highest scores: of the only output that can have them, or by output. */
  topK?: number | Readonly<Record<string, number>> | undefined;
  /** Outputs of which only the index of the highest score is wanted. */
  argmax?: string | readonly string[] | undefined;
}

/** A checked wish: the tensors of the result, and the k of those that have one. */
export type Selection = Required<Pick<Payload, 'wanted'>> & Pick<Payload, 'topK'>;

/** What a selection needs to know of a model. */
export type Choosable = Pick<
  ModelSignature,
  'name' | 'task' | 'outputs' | 'choices' | 'topK' | 'labels' | 'classAxis'
>;

/** Every output as the model gives it. */
const ALL = '*';

/** Endings of the names of tensors that are made of an output. */
const SCORES = '_scores';
const INDEXES = '_indexes';
const LABELS = '_labels';
const ARGMAX = '_argmax';
/** The k best classes of a classification, next to its one class. */
const TOP_CLASSES = { class: 'top_class', confidence: 'top_confidence', label: 'top_label' } as const;
/** The name under which the k of a classification is kept. */
export const CLASSES = 'class';

/** How a tensor of a result is made. */
export type Making =
  | { kind: 'whole'; of: TensorSignature }
  | { kind: 'scores' | 'indexes' | 'labels' | 'argmax'; of: TensorSignature; axis: number }
  | { kind: 'classes'; of: TensorSignature };

/** Every output that a request may name. */
export function choicesOf({ outputs, choices = outputs }: Choosable): readonly TensorSignature[] {
  return choices;
}

/** How the tensor of this name is made of a model's outputs; undefined if none is called that. */
export function makingOf(name: string, model: Choosable): Making | undefined {
  const choices = choicesOf(model);
  const whole = choices.find((one) => one.name === name);
  if (whole !== undefined) return { kind: 'whole', of: whole };
  if (classifies(model)) {
    const best = choices.find((one) => TOP_CLASSES[one.name as keyof typeof TOP_CLASSES] === name);
    return best && { kind: 'classes', of: best };
  }
  const endings = [
    [SCORES, 'scores'],
    [INDEXES, 'indexes'],
    [LABELS, 'labels'],
    [ARGMAX, 'argmax'],
  ] as const;
  for (const [ending, kind] of endings) {
    const of = choices.find((one) => name === one.name + ending);
    const axis = of && scoreAxis(of, model);
    if (of === undefined || axis === undefined) continue;
    if (kind === 'labels' && !hasLabels(of, axis, model)) continue;
    return { kind, of, axis };
  }
  return undefined;
}

/** The axis of one row along which its scores run; undefined if the output has none. */
function scoreAxis({ type, shape, batchAxis, modelShape }: TensorSignature, { classAxis }: Choosable) {
  if (type === 'string' || type === 'bool' || shape.length === 0) return undefined;
  const last = shape.length - 1;
  if (classAxis === undefined) return last;
  const [first] = shape;
  // As for a classification: the batch of a model that runs one row at a time does not count.
  const lead =
    batchAxis === null && last > 0 && (first === 1 || (first === null && isBatchName(modelShape[0])));
  const axis = classAxis + (lead ? 1 : 0);
  return axis <= last ? axis : undefined;
}

function hasLabels({ shape }: TensorSignature, axis: number, { labels }: Choosable): boolean {
  const classes = shape[axis] ?? null;
  return labels !== undefined && (classes === null || classes === labels.length);
}

/** The signatures of a result's tensors; those of the model's own selection where a payload asks for none. */
export function resultOutputs(model: Choosable, asked: Pick<Payload, 'wanted' | 'topK'>): TensorSignature[] {
  if (asked.wanted === undefined) return [...model.outputs];
  return asked.wanted.flatMap((name) => {
    const making = makingOf(name, model);
    return making === undefined ? [] : [madeOf(name, making, { ...model.topK, ...asked.topK })];
  });
}

function madeOf(name: string, making: Making, topK: Readonly<Record<string, number>>): TensorSignature {
  const { of } = making;
  if (making.kind === 'whole') return of;
  if (making.kind === 'classes') return { ...of, name, shape: [...of.shape, null] };
  const { kind, axis } = making;
  const own = { ...of, name, modelShape: [] };
  if (kind === 'argmax') return { ...own, type: 'int32', shape: of.shape.filter((_, at) => at !== axis) };
  const classes = of.shape[axis] ?? null;
  const kept = classes === null ? null : Math.min(classes, topK[of.name] ?? classes);
  const type = kind === 'scores' ? of.type : kind === 'labels' ? 'string' : 'int32';
  return { ...own, type, shape: of.shape.map((dim, at) => (at === axis ? kept : dim)) };
}

/**
 * Checks what is asked of a model's outputs. An output with topK or argmax is replaced by those, and need not
 * be named in `outputs`.
 * @returns the tensors of the result in the model's order; undefined if nothing is asked
 * @throws InferError OUTPUT_UNKNOWN, OUTPUT_SELECTION.
 */
export function selectionOf(wish: SelectionWish, model: Choosable): Selection | undefined {
  const { outputs, topK, argmax } = wish;
  if (outputs === undefined && topK === undefined && argmax === undefined) return undefined;
  if (model.task === 'handler') {
    throw refusal(`the result of model ${model.name} is made by its handler`, {
      hint: 'its postprocess can return less: model.json and a request cannot choose from it',
    });
  }
  const choices = choicesOf(model);
  const named = outputs === undefined ? undefined : new Set(namedOutputs(outputs, model));
  const best = new Set(typeof argmax === 'string' ? [argmax] : argmax);
  for (const name of best) checkScores(known(name, model), model, 'argmax');
  const most = topK === undefined ? new Map<string, number>() : mostOf(topK, model, named, best);
  for (const name of best) {
    if (!most.has(name)) continue;
    throw refusal(`output '${printable(name)}' cannot have both topK and argmax`, {
      hint: 'the first index of its topK is its argmax: ask for one of them',
    });
  }
  const wanted: string[] = [];
  const classes = most.has(CLASSES) && classifies(model);
  for (const { name } of choices) {
    const isNamed = named === undefined || named.has(name);
    if (best.has(name)) wanted.push(name + ARGMAX);
    else if (most.has(name) && !classes) wanted.push(...topNames(name, model));
    else if (isNamed) wanted.push(name);
  }
  if (classes)
    wanted.push(...choices.map(({ name }) => TOP_CLASSES[name as keyof typeof TOP_CLASSES]).filter(Boolean));
  for (const name of named ?? []) if (!wanted.includes(name) && isMade(name, model)) wanted.push(name);
  return { wanted, ...(most.size === 0 ? {} : { topK: Object.fromEntries(most) }) };
}

/** A tensor of the model's own selection that is no output as a whole. */
function isMade(name: string, model: Choosable): boolean {
  return !choicesOf(model).some((one) => one.name === name);
}

function topNames(name: string, model: Choosable): string[] {
  return [SCORES, INDEXES, LABELS].map((ending) => name + ending).filter((one) => makingOf(one, model));
}

function namedOutputs(outputs: readonly string[], model: Choosable): string[] {
  const choices = choicesOf(model);
  if (outputs.length === 0) {
    throw refusal('outputs is empty, so there would be no result', {
      hint: `name some of ${list(choices.map(({ name }) => name))}, or leave it out for all`,
    });
  }
  return outputs.flatMap((name) => {
    if (name === ALL && !choices.some((one) => one.name === ALL)) return choices.map((one) => one.name);
    // What the model's own selection gives can be chosen from as well.
    if (!model.outputs.some((one) => one.name === name)) known(name, model);
    return [name];
  });
}

/** @throws InferError OUTPUT_UNKNOWN with the nearest name. */
function known(name: string, model: Choosable): TensorSignature {
  const choices = choicesOf(model);
  const output = choices.find((one) => one.name === name);
  if (output !== undefined) return output;
  const names = choices.map((one) => one.name);
  const near = closestWord(name, names);
  throw new InferError(
    'OUTPUT_UNKNOWN',
    `'${printable(name.slice(0, 64))}' is not an output of model ${model.name}; it gives ${list(names)}`,
    { hint: near === undefined ? 'infer models lists the outputs of each model' : `did you mean '${near}'?` },
  );
}

/** The k of each output. */
function mostOf(
  topK: NonNullable<SelectionWish['topK']>,
  model: Choosable,
  named: ReadonlySet<string> | undefined,
  best: ReadonlySet<string>,
): Map<string, number> {
  const most = new Map<string, number>();
  if (typeof topK === 'number') {
    most.set(theOutput(model, named, best), checkK(topK));
    return most;
  }
  for (const [name, k] of Object.entries(topK)) {
    const output = known(name, model);
    if (!classifies(model)) checkScores(output, model, 'topK');
    most.set(classifies(model) ? CLASSES : name, checkK(k));
  }
  return most;
}

/** The output that topK without a name means. */
function theOutput(
  model: Choosable,
  named: ReadonlySet<string> | undefined,
  best: ReadonlySet<string>,
): string {
  if (classifies(model)) return CLASSES;
  const choices = choicesOf(model);
  const isAsked = ({ name }: TensorSignature) => !best.has(name) && (named === undefined || named.has(name));
  const able = choices.filter((one) => isAsked(one) && scoreAxis(one, model) !== undefined);
  const [only, another] = able;
  if (only !== undefined && another === undefined) return only.name;
  if (only === undefined) {
    throw refusal(`no output of model ${model.name} that is asked for has scores for topK`, {
      hint: `its outputs are ${list(choices.map(shownOutput))}; topK needs numbers along an axis`,
    });
  }
  throw refusal(`topK could mean ${list(able.map(({ name }) => name))}`, {
    hint: `name the output: --top-k ${only.name}=5, or {"${only.name}": 5}`,
  });
}

function checkScores(output: TensorSignature, model: Choosable, what: 'topK' | 'argmax'): void {
  const { name, type, shape } = output;
  if (classifies(model)) {
    throw refusal(`model ${model.name} is a classification: class is the ${what} already`, {
      hint: 'ask for outputs class, or for topK without a name',
    });
  }
  if (scoreAxis(output, model) === undefined) {
    const why =
      type === 'string' || type === 'bool'
        ? `is ${type}`
        : shape.length === 0
          ? 'is one number a row'
          : `has no axis ${model.classAxis}, which model.json names as classAxis`;
    throw refusal(`output '${name}' of model ${model.name} ${why}, so it has no ${what}`, {
      hint: `${what} needs numbers along an axis of a row; the outputs are ${list(choicesOf(model).map(shownOutput))}`,
    });
  }
  const taken = [SCORES, INDEXES, LABELS, ARGMAX].find((ending) =>
    choicesOf(model).some((one) => one.name === name + ending),
  );
  if (taken === undefined) return;
  throw refusal(`model ${model.name} has an output ${name}${taken}, the name that ${what} would need`, {
    hint: 'rename that output in the model, or choose in the program that reads the result',
  });
}

function checkK(k: unknown): number {
  const { min, max } = BOUNDS.topK;
  if (Number.isSafeInteger(k) && (k as number) >= min && (k as number) <= max) return k as number;
  throw refusal(`topK is a whole number from ${min} to ${max}`, { hint: '--top-k 5 for the five highest' });
}

const shownOutput = ({ name, type, shape }: TensorSignature): string =>
  `${name} ${type}[${shape.map((dim) => dim ?? '?').join(',')}]`;

const list = (names: readonly string[]): string => names.map(printable).join(', ');

function refusal(why: string, { hint }: { hint: string }): InferError {
  return new InferError('OUTPUT_SELECTION', why, { hint });
}

/** What consecutive rows of a run ask for; without `wanted` the model's own selection. */
export type RowsSelection = Pick<Payload, 'rows' | 'wanted' | 'topK'>;

/** What the parts of a run ask for; undefined if none asks for anything. */
export function selectionsOf(parts: readonly Payload[]): RowsSelection[] | undefined {
  if (parts.every(({ wanted }) => wanted === undefined)) return undefined;
  const joined: RowsSelection[] = [];
  for (const { rows, wanted, topK } of parts) {
    const last = joined.at(-1);
    if (last !== undefined && isSame(last.wanted, wanted) && isSame(last.topK, topK)) last.rows += rows;
    else joined.push({ rows, ...(wanted && { wanted }), ...(topK && { topK }) });
  }
  return joined;
}

const isSame = (a: object | undefined, b: object | undefined): boolean =>
  a === b || JSON.stringify(a) === JSON.stringify(b);

/**
 * Minimum size in bytes of the result of this many rows, if the signature shows it: outputs of unknown shape,
 * text and handlers' answers count as nothing. Pure.
 */
export function leastResultBytes(
  signature: ModelSignature,
  payload: Pick<Payload, 'rows' | 'wanted' | 'topK'>,
): number {
  if (!givesTensors(signature) && signature.task !== 'embedding') return 0;
  return resultOutputs(signature, payload).reduce((sum, { type, shape, shared }) => {
    if (type === 'string' || shape.includes(null)) return sum;
    return sum + elementCount(shape as number[]) * ELEMENT_BYTES[type] * (shared ? 1 : payload.rows);
  }, 0);
}
