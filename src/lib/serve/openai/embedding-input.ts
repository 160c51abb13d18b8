import { InferError } from '../../core/errors.js';
import type { Chunk } from '../../input/chunk.js';
import { payloadsFromValue } from '../../input/value.js';
import { type ModelSignature, type TensorSignature, takesJson } from '../../model/signature.js';
import type { DataType } from '../../model/tensor.js';

/** What `input` may be: a text, texts, a list of tokens, or lists of them. */
type EmbeddingInput = string | string[] | number[] | number[][];

/** What is to be embedded, for a model. */
interface EmbeddingRows {
  /** Rows of one shape together; `place` says which they are. */
  chunks: Chunk[];
  /** How many there are. */
  rows: number;
  /** Tokens of all rows; undefined for texts, whose tokens only the model knows. */
  tokens: number | undefined;
}

/** Inputs of exported language models that a list of tokens implies: all of it counts, and is one segment. */
const IMPLIED: ReadonlyMap<string, number> = new Map([
  ['attention_mask', 1],
  ['token_type_ids', 0],
]);

const INTEGERS: readonly DataType[] = ['int32', 'int64', 'uint32', 'uint64'];

/**
 * The rows of an embedding request as the model takes them.
 * @throws InferError INPUT_… where the model takes something else; MODEL_TASK where it gives no embeddings.
 */
export function embeddingRows(input: EmbeddingInput, signature: ModelSignature): EmbeddingRows {
  const { name, task } = signature;
  if (task !== 'embedding') {
    throw new InferError('MODEL_TASK', `model: ${name} gives no embeddings, its task is ${task}`, {
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
        ? 'send lists of tokens, or give the model a handler that makes tokens of text'
        : 'send text, or a list of texts',
    });
  }
  const rows = items.map((item) => rowOf(item, main, signature));
  return { ...rowsOf(rows, signature), tokens: tokensOf(items) };
}

function listOf(input: EmbeddingInput): (string | number[])[] {
  if (typeof input === 'string') return [input];
  if (input.every((one) => typeof one === 'number')) return [input as number[]];
  return input as string[] | number[][];
}

function rowsOf(rows: readonly unknown[], signature: ModelSignature): Omit<EmbeddingRows, 'tokens'> {
  return { chunks: payloadsFromValue(rows, signature), rows: rows.length };
}

function tokensOf(items: readonly (string | number[])[]): number | undefined {
  if (typeof items[0] === 'string') return undefined;
  return items.reduce((sum, item) => sum + item.length, 0);
}

/** The one input that the caller gives; others have a default or follow from it. */
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

/** A row by the names of its inputs. */
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
