import { badInput, InferError } from '../../core/errors.js';
import { outputNamed } from '../../input/oip.js';
import { makingOf } from '../../model/selection.js';
import type { ModelSignature, TensorSignature } from '../../model/signature.js';
import { elementCount, OIP_NAMES, type Payload } from '../../model/tensor.js';
import { describe } from '../../model/value-words.js';
import { chosenClasses, topClasses } from './classes.js';
import type { AnswerTensor } from './encode.js';
import { wireTensors } from './output-tensors.js';
import { flag, parametersOf, refuseSharedMemory } from './parameters.js';

/** A requested output and its format. */
export interface OutputWish {
  name: string;
  binary: boolean;
  /** Number of classes to return instead of the scores (the classification extension). */
  classes: number | undefined;
}

/** Maximum number of outputs in one request. */
const MOST = 1024;
/** Classes of a row at most, where it may have more scores than that. */
const MOST_CLASSES = 1024;

/**
 * The outputs that a request asks for; all of the model where it names none.
 * @param binary how those come that do not say it
 * @param isAsync the answer is a job: its result is read elsewhere, in any form
 * @throws InferError INPUT_OIP, INPUT_NAMES, PARAMETER; OUTPUT_FORM for float16 as JSON, before anything runs.
 */
export function readWishes(
  given: unknown,
  binary: boolean,
  signature: ModelSignature,
  isAsync = false,
): OutputWish[] {
  const wishes = named(given, binary, signature);
  if (isAsync) {
    const chosen = wishes.find(({ classes }) => classes !== undefined);
    if (chosen === undefined) return wishes;
    throw new InferError(
      'PARAMETER',
      `outputs: classification of output '${chosen.name}' is not done with Prefer: respond-async`,
      { hint: 'wait for the answer, or read the scores at /v1/jobs/ID/result' },
    );
  }
  const refused = wishes.find(
    (wish) =>
      !wish.binary && wish.classes === undefined && outputOf(signature, wish.name)?.type === 'float16',
  );
  if (refused !== undefined) {
    throw new InferError(
      'OUTPUT_FORM',
      `sending FP16 data via JSON is not supported. Please use the binary data format for output '${refused.name}'`,
      { hint: 'write "parameters": {"binary_data_output": true} for all outputs' },
    );
  }
  return wishes;
}

function named(given: unknown, binary: boolean, signature: ModelSignature): OutputWish[] {
  const all = () => signature.outputs.map(({ name }) => ({ name, binary, classes: undefined }));
  if (given === undefined) return all();
  if (!Array.isArray(given) || given.length > MOST) {
    throw badInput('INPUT_OIP', `outputs: ${describe(given)} found where a list of outputs is expected`, {
      hint: 'write "outputs": [{"name": ...}], or leave it out for all outputs',
    });
  }
  if (given.length === 0) return all();
  const seen = new Set<string>();
  return given.map((entry: unknown, index): OutputWish => {
    const where = `outputs[${index}]`;
    const output = outputNamed(entry, signature, where);
    if (seen.has(output.name)) {
      throw badInput('INPUT_NAMES', `'${output.name}' appears twice`, {
        where,
        hint: 'name each output only once',
      });
    }
    seen.add(output.name);
    const parameters = parametersOf((entry as Record<string, unknown>).parameters, `${where}.parameters`);
    refuseSharedMemory(parameters, `${where}.parameters`);
    const classes = readClasses(parameters.classification, output, signature, `${where}.parameters`);
    const own = flag(parameters, 'binary_data', `${where}.parameters`);
    return { name: output.name, binary: own ?? binary, classes };
  });
}

function outputOf({ outputs, choices = outputs }: ModelSignature, name: string): TensorSignature | undefined {
  return [...outputs, ...choices].find((output) => output.name === name);
}

function readClasses(
  given: unknown,
  { name, type, role, shape }: TensorSignature,
  { name: model }: ModelSignature,
  where: string,
): number | undefined {
  if (given === undefined || given === 0) return undefined;
  if (!Number.isSafeInteger(given) || (given as number) < 0)
    throw new InferError(
      'PARAMETER',
      `${where}.classification: ${describe(given)} found, not a number of classes`,
    );
  if (role === 'class' ? given !== 1 || name === 'label' : type === 'string' || type === 'bool') {
    throw new InferError(
      'PARAMETER',
      role === 'class'
        ? `${where}.classification: model '${model}' returns only the best class of each row`
        : `${where}.classification: output '${name}' of model '${model}' is ${OIP_NAMES[type]} and has no scores`,
      {
        hint: role === 'class' ? 'request 1 class of output confidence' : 'request it for a numeric output',
      },
    );
  }
  const scores = shape.includes(null) ? Number.POSITIVE_INFINITY : elementCount(shape as number[]);
  if (Math.min(given as number, scores) > MOST_CLASSES) {
    throw new InferError(
      'PARAMETER',
      `${where}.classification: ${given} classes asked for, more than ${MOST_CLASSES}`,
      { hint: 'ask for fewer classes, or for the output itself' },
    );
  }
  return given as number;
}

/** The tensors that the result must contain; undefined for those that the model's own selection gives. */
export function storedOutputs(
  wishes: readonly OutputWish[],
  signature: ModelSignature,
): Pick<Payload, 'wanted' | 'topK'> | undefined {
  const { outputs } = signature;
  const names = new Set(wishes.map(({ name }) => name));
  const topK: Record<string, number> = {};
  for (const { name, classes } of wishes) {
    const top = classes === undefined ? undefined : topOf(name, signature);
    if (top !== undefined && classes !== undefined) {
      // Only the classes asked for travel and are stored.
      names.delete(name);
      for (const one of top) names.add(one);
      topK[name] = classes;
    }
    // A class needs all outputs of a classification.
    if (classes === undefined || outputs.find((output) => output.name === name)?.role !== 'class') continue;
    for (const output of outputs) if (output.role === 'class') names.add(output.name);
  }
  if (Object.keys(topK).length > 0) return { wanted: [...names], topK };
  const isAll = outputs.length === names.size && outputs.every(({ name }) => names.has(name));
  return isAll ? undefined : { wanted: [...names] };
}

/** The names of scores and indexes of an output, where the k highest of its only axis are its classes. */
function topOf(name: string, signature: ModelSignature): [string, string] | undefined {
  const scores = makingOf(`${name}_scores`, signature);
  const indexes = makingOf(`${name}_indexes`, signature);
  if (scores?.kind !== 'scores' || indexes?.kind !== 'indexes' || scores.of.name !== name) return undefined;
  const { shape, shared } = scores.of;
  // Of an open axis it is not known here whether each score has a label.
  const isOne = shape.length === 1 && shape[0] !== null && !shared;
  return isOne ? [`${name}_scores`, `${name}_indexes`] : undefined;
}

/**
 * The tensors of a response, in the requested order.
 * @throws InferError OUTPUT_FORM when rows differ in shape; OUTPUT_MIXED when one is missing because the
 *   model was changed meanwhile.
 */
export async function answerTensors(
  result: Payload,
  wishes: readonly OutputWish[],
  signature: ModelSignature,
): Promise<AnswerTensor[]> {
  const answered: AnswerTensor[] = [];
  for (const { name, binary, classes } of wishes) {
    const given = (one: string) => result.tensors.find((tensor) => tensor.name === one);
    const best = given(`${name}_indexes`);
    const isTop = classes !== undefined && best !== undefined && given(name) === undefined;
    const tensor = isTop ? given(`${name}_scores`) : given(name);
    if (tensor === undefined) {
      throw new InferError('OUTPUT_MIXED', `the result has no output '${name}': the model was changed`, {
        hint: 'send the request again',
      });
    }
    const shown =
      classes === undefined
        ? tensor
        : isTop
          ? chosenClasses(name, tensor, best, signature)
          : await topClasses(tensor, classes, result, signature);
    // Classes have their rows first, wherever the scores have them. Without a batch axis, one row has none here.
    const rowsFirst = classes !== undefined && (signature.batchable || result.rows > 1);
    const [wire] = wireTensors({ rows: result.rows, tensors: [shown] }, rowsFirst ? undefined : signature);
    answered.push({ ...(wire as NonNullable<typeof wire>), binary });
  }
  return answered;
}
