import { InferError } from '../../core/errors.js';
import type { Chunk } from '../../input/chunk.js';
import { payloadsFromValue } from '../../input/value.js';
import { type ModelSignature, type TensorSignature, takesJson } from '../../model/signature.js';
import type { DataType } from '../../model/tensor.js';

/** What `input` may be: a text, texts, a list of tokens, or lists of them. */
export type EmbeddingInput = string | string[] | number[] | number[][];

/** Texts or lists of tokens of one request; as many as OpenAI takes. */
export const MOST_ROWS = 2048;
/** Tokens of all rows of one request. */
const MOST_TOKENS = 1_000_000;

/** The input of an embedding request in the form of a model. */
interface EmbeddingRows {
  /** Rows of the same shape together; `place` has their positions. */
  chunks: Chunk[];
  /** Number of rows. */
  rows: number;
  /** Tokens of all rows; undefined for text, whose tokens only the model knows. */
  tokens: number | undefined;
}

/**
 * Inputs of exported language models that a list of tokens implies: all tokens count, and there is one
 * segment.
 */
const IMPLIED: ReadonlyMap<string, number> = new Map([
  ['attention_mask', 1],
  ['token_type_ids', 0],
]);

const INTEGERS: readonly DataType[] = ['int32', 'int64', 'uint32', 'uint64'];

/**
 * Whether a JSON value is one. Checked by hand: a body can hold tens of millions of elements, and a schema calls
 * a function for each and collects an issue for each bad one. This stops at the first.
 */
export function isEmbeddingInput(value: unknown): value is EmbeddingInput {
  if (typeof value === 'string') return true;
  if (!Array.isArray(value) || value.length === 0) return false;
  const list: readonly unknown[] = value;
  if (typeof list[0] === 'number') return areTokens(list);
  if (list.length > MOST_ROWS) return false;
  if (typeof list[0] === 'string') return list.every((one) => typeof one === 'string');
  let tokens = 0;
  for (const one of list) {
    if (!Array.isArray(one)) return false;
    tokens += one.length;
    if (tokens > MOST_TOKENS || !areTokens(one)) return false;
  }
  return true;
}

function areTokens(list: readonly unknown[]): boolean {
  if (list.length === 0 || list.length > MOST_TOKENS) return false;
  return list.every((one) => Number.isSafeInteger(one) && (one as number) >= 0);
}

/**
 * The rows of an embedding request as the model takes them.
 * @throws InferError INPUT_… where the model takes something else; MODEL_TASK where it gives no embeddings.
 */
export function embeddingRows(input: EmbeddingInput, signature: ModelSignature): EmbeddingRows {
  const { name, task } = signature;
  if (task !== 'embedding') {
    throw new InferError('MODEL_TASK', `model: ${name} does not return embeddings: its task is ${task}`, {
      hint: 'write "task": "embedding" in its model.json, or name another model',
    });
  }
  const items = listOf(input);
  if (takesJson(signature)) return { ...rowsOf(items, signature), tokens: tokensOf(items) };
  const main = mainInput(signature);
  const texts = typeof items[0] === 'string';
  if (texts !== (main.type === 'string')) {
    throw new InferError('INPUT_TYPE', `input: ${texts ? 'text' : 'tokens'} found; ${takes(main, name)}`, {
      hint: texts
        ? 'send lists of tokens, or put the tokenizer.json of the model next to its model.json'
        : 'send text, or a list of texts',
    });
  }
  const rows = items.map((item) => rowOf(item, main, signature));
  return { ...rowsOf(rows, signature), tokens: tokensOf(items) };
}

function listOf(input: EmbeddingInput): (string | number[])[] {
  if (typeof input === 'string') return [input];
  // `isEmbeddingInput` has made sure that all are of one type.
  if (typeof input[0] === 'number') return [input as number[]];
  return input as string[] | number[][];
}

function rowsOf(rows: readonly unknown[], signature: ModelSignature): Omit<EmbeddingRows, 'tokens'> {
  return { chunks: payloadsFromValue(rows, signature), rows: rows.length };
}

function tokensOf(items: readonly (string | number[])[]): number | undefined {
  if (typeof items[0] === 'string') return undefined;
  return items.reduce((sum, item) => sum + item.length, 0);
}

/** The one input that the caller provides; others have a default or follow from it. */
function mainInput({ name, inputs }: ModelSignature): TensorSignature {
  const needed = inputs.filter((input) => input.default === undefined && !isImplied(input));
  const [main] = needed;
  if (main === undefined || needed.length > 1) {
    const names = needed.map((input) => `'${input.name}'`).join(', ');
    throw new InferError(
      'MODEL_TASK',
      `model: ${name} takes ${needed.length === 0 ? 'no input of its own' : `the inputs ${names}`}, and a request for embeddings gives one`,
      { hint: `give the others a default in its model.json, or use POST /v2/models/${name}/infer` },
    );
  }
  if (main.type !== 'string' && !INTEGERS.includes(main.type)) {
    throw new InferError('MODEL_TASK', `model: ${takes(main, name)}, neither text nor tokens`, {
      hint: `use POST /v2/models/${name}/infer`,
    });
  }
  return main;
}

function isImplied({ name, type }: TensorSignature): boolean {
  return IMPLIED.has(name) && INTEGERS.includes(type);
}

function takes({ name, type }: TensorSignature, model: string): string {
  return `input '${name}' of model ${model} takes ${type === 'string' ? 'text' : type}`;
}

/** A row as values by input name. */
function rowOf(item: string | number[], main: TensorSignature, { inputs }: ModelSignature): unknown {
  const row: Record<string, unknown> = { [main.name]: item };
  if (typeof item === 'string') return row;
  for (const input of inputs) {
    const value = IMPLIED.get(input.name);
    if (value !== undefined && isImplied(input) && input.default === undefined)
      row[input.name] = item.map(() => value);
  }
  return row;
}
