import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { closestWord } from '../config/suggest.js';
import { BOUNDS } from '../core/bounds.js';
import { findDuplicateKey } from '../core/json-keys.js';
import { withoutMark } from '../core/text.js';
import type { DefaultValue } from './default-value.js';
import { manifestError } from './manifest-error.js';
import { imageSchema, POOLINGS, tokenizerSchema } from './raw-schema.js';

/** As for `--max-batch`. */
const MOST_ROWS = BOUNDS.maxBatch.max;

const dimension = z.number().int().positive().nullable();

const tensorSchema = z.strictObject({
  /** The model's own axis along which rows run; null = none, one value shared by all rows. */
  batchAxis: z.number().int().nonnegative().nullable().optional(),
  /** Shape of one row; numbers fix dimensions that the model leaves open, null leaves them open. */
  shape: z.array(dimension).optional(),
});

const defaultSchema: z.ZodType<DefaultValue> = z.lazy(() =>
  z.union([z.number(), z.string(), z.boolean(), z.array(defaultSchema)]),
);

const topSchema = z.number().int().min(1).max(BOUNDS.topK.max);

const inputSchema = tensorSchema.extend({
  /** The value for rows that omit the input. */
  default: defaultSchema.optional(),
});

/** `image-` and `image`: a row is an image; `text-`: a text. */
const TASKS = [
  'classification',
  'embedding',
  'tensor',
  'text-classification',
  'image-classification',
  'image',
] as const;

const manifestSchema = z.strictObject({
  description: z.string().optional(),
  /** The model file, relative to the version directory, or to the model's if it has none. */
  file: z
    .string()
    .regex(
      /^(?!\/)(?!.*(?:^|\/)\.\.(?:\/|$))[^\\]+\.onnx$/,
      'must be the path of an .onnx file such as onnx/model_quantized.onnx',
    )
    .optional(),
  /** What a row is and how outputs are turned into a result: see TASKS. */
  task: z.enum(TASKS).optional(),
  /** How an image becomes an input, for a task that takes images. */
  preprocess: imageSchema.optional(),
  /** How a text becomes tokens, for a task that takes texts; null: rows are tokens although there is a tokenizer. */
  tokenizer: tokenizerSchema.nullable().optional(),
  /** How the vectors of a row's tokens become one, for an embedding. */
  pooling: z.enum(POOLINGS).optional(),
  /** Whether an embedding is divided by its length. */
  normalize: z.boolean().optional(),
  labels: z.array(z.string()).min(1).optional(),
  /** Name of the output that contains the class scores, or the vector. */
  output: z.string().min(1).optional(),
  /** The kind of those scores; logits get a softmax, a single one a sigmoid. */
  scores: z.enum(['logits', 'probabilities']).optional(),
  /** The class axis in one row's scores. */
  classAxis: z.number().int().nonnegative().optional(),
  inputs: z.record(z.string(), inputSchema).optional(),
  outputs: z.record(z.string(), tensorSchema).optional(),
  /** Scores that a result has of an output, best first, in its place: k, or k by output. */
  topK: z.union([topSchema, z.record(z.string(), topSchema)]).optional(),
  /** Outputs of which a result has the index of the highest score. */
  argmax: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional(),
  maxBatch: z.number().int().positive().max(MOST_ROWS).optional(),
  batchable: z.boolean().optional(),
  warmup: z.strictObject({ rows: z.array(z.number().int().positive().max(MOST_ROWS)).optional() }).optional(),
  /** Module next to model.json with `preprocess` and/or `postprocess`. */
  handler: z
    .string()
    .regex(/^\.\/[^\\]+\.(mjs|js)$/, 'must be a path such as ./handler.mjs')
    .optional(),
  /** Files and directories next to model.json that the handler writes: not part of the model's identity. */
  handlerWrites: z
    .array(
      z
        .string()
        .regex(
          /^(?!\/)(?!.*(?:^|\/)\.\.(?:\/|$))[^\\]+$/,
          "must be a path in the model's directory such as cache.json",
        ),
    )
    .optional(),
});

/** `<models>/<name>/model.json`; every field is optional. */
export interface ModelManifest extends z.infer<typeof manifestSchema> {
  /** The names in `outputs`, where that is a list: the outputs of a result. */
  chosen?: string[] | undefined;
}

const TOP_FIELDS = Object.keys(manifestSchema.shape);
const INPUT_FIELDS = Object.keys(inputSchema.shape);
const OUTPUT_FIELDS = Object.keys(tensorSchema.shape);
const IMAGE_FIELDS = Object.keys(imageSchema.shape);
const TOKENIZER_FIELDS = Object.keys(tokenizerSchema.shape);

/**
 * Checks the text of a model.json. `file` is its name in errors, such as `digits/model.json`.
 * @throws InferError MODEL_MANIFEST (exit 78) naming file and field, with a suggestion.
 */
export function parseManifest(text: string, file: string): ModelManifest {
  const json = withoutMark(text);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw manifestError(file, `it is not JSON: ${(error as Error).message}`);
  }
  const twice = findDuplicateKey(json, value);
  if (twice !== undefined)
    throw manifestError(file, `field ${twice.key} appears twice`, 'remove one of the two');
  const { chosen, rest } = withoutChosen(value);
  if (chosen !== undefined && !chosenSchema.safeParse(chosen).success)
    throw manifestError(file, 'field outputs: a list here is one of names', 'name one output or more');
  const result = manifestSchema.safeParse(rest);
  if (result.success) return chosen === undefined ? result.data : { ...result.data, chosen };
  const issue = result.error.issues[0];
  if (issue === undefined) throw manifestError(file, 'it is not valid');
  const where = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const known = fieldsAt(issue.path);
    throw manifestError(
      file,
      `unknown field ${where === '' ? key : `${where}.${key}`}`,
      `did you mean '${closest(key, known)}'? fields are ${known.join(', ')}`,
    );
  }
  const what = where === '' ? 'the whole file' : `field ${where}`;
  const given = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)[key], value);
  throw manifestError(file, `${what}: ${issueText(issue)}`, issueHint(issue, given, where));
}

const chosenSchema = z.array(z.string().min(1)).min(1);

/** `outputs` describes outputs, by name, or lists the names of those that a result has. */
function withoutChosen(value: unknown): { chosen?: string[]; rest: unknown } {
  const { outputs, ...rest } = (value ?? {}) as { outputs?: unknown };
  return Array.isArray(outputs) ? { chosen: outputs as string[], rest } : { rest: value };
}

/** zod's sentence without its beginning, which only repeats the field. */
function issueText(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}`;
  return issue.message.replace(/^Invalid input: /, '');
}

function issueHint(issue: z.core.$ZodIssue, given: unknown, where: string): string | undefined {
  if (issue.code === 'invalid_value' && typeof given === 'string') {
    const near = closestWord(given, issue.values.map(String));
    return near === undefined ? undefined : `did you mean '${near}'?`;
  }
  // `output` names the scores of a classification, `outputs` describes tensors.
  if (where === 'output' && typeof given === 'object') return "did you mean 'outputs'?";
  return undefined;
}

function fieldsAt(path: PropertyKey[]): string[] {
  if (path.length === 0) return TOP_FIELDS;
  if (path[0] === 'warmup') return ['rows'];
  if (path[0] === 'preprocess') return IMAGE_FIELDS;
  if (path[0] === 'tokenizer') return TOKENIZER_FIELDS;
  return path[0] === 'outputs' ? OUTPUT_FIELDS : INPUT_FIELDS;
}
