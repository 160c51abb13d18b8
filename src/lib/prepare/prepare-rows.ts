import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { InferError, messageOf } from '../core/errors.js';
import { toHalf } from '../model/elements.js';
import type { RowFailure } from '../model/row-failure.js';
import { elementCount, type RowTensor, rowOffsets } from '../model/tensor.js';
import { idRows } from '../model/token-rows.js';
import { imageElements } from '../task/image-plan.js';
import type { ImagePrepare, PreparePlan } from '../task/prepare-plan.js';
import type { KnownFile, TextPlan } from '../task/text-plan.js';
import { TextTokenizer } from '../task/tokenizer.js';
import { decodeImage } from './decode-image.js';
import { KeptTokenizers } from './kept-tokenizers.js';

/**
 * Rows made of raw ones: those of the model's input, or the ids of their tokens. A failed row is all zeros or has no tokens,
 * and is not to be run.
 */
export interface PreparedRows {
  tensor: RowTensor;
  failed: RowFailure[];
}

/**
 * Prepares every row of a raw tensor; a row that cannot be prepared fails alone. One after another: they are prepared in
 * several processes at once, and each holds one image.
 * @throws InferError MODEL_CHANGED when a file of the model is not the one that was loaded.
 */
export async function prepareRows(plan: PreparePlan, raw: RowTensor, rows: number): Promise<PreparedRows> {
  const ends = rowOffsets(raw, rows);
  // Behind the length of the element.
  const bytesAt = (row: number) => raw.data.subarray((ends[row] as number) + 4, ends[row + 1]);
  return plan.kind === 'image' ? images(plan, bytesAt, rows) : tokens(plan.text, bytesAt, rows);
}

async function images(
  plan: ImagePrepare,
  bytesAt: (row: number) => Uint8Array,
  rows: number,
): Promise<PreparedRows> {
  const { input: name, type, shape } = plan;
  const size = elementCount(shape);
  const data = allocated(type, size * rows);
  const failed: RowFailure[] = [];
  for (let row = 0; row < rows; row++) {
    try {
      write(data, row * size, imageElements(await decodeImage(bytesAt(row)), plan.image), type);
    } catch (error) {
      failed.push({ row, error: asRowError(error) });
    }
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { tensor: { name, type, shape: [...shape], data: bytes }, failed };
}

async function tokens(
  plan: TextPlan,
  bytesAt: (row: number) => Uint8Array,
  rows: number,
): Promise<PreparedRows> {
  const tokenizer = await tokenizerOf(plan);
  const found: number[][] = [];
  const failed: RowFailure[] = [];
  for (let row = 0; row < rows; row++) {
    try {
      found.push(tokenizer.encode(Buffer.from(bytesAt(row)).toString('utf8'), plan));
    } catch (error) {
      found.push([]);
      failed.push({ row, error: asRowError(error) });
    }
  }
  return { tensor: idRows(found), failed };
}

const opened = new KeptTokenizers<TextTokenizer>();

async function tokenizerOf({ tokenizer, config }: TextPlan): Promise<TextTokenizer> {
  const key = `${tokenizer.sha} ${config?.sha}`;
  const found = opened.get(key);
  if (found !== undefined) return found;
  const settings = config === undefined ? undefined : await textOf(config);
  return opened.open(key, await textOf(tokenizer), (text) => TextTokenizer.open(text, settings));
}

async function textOf({ path, sha }: KnownFile): Promise<string> {
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes !== undefined && createHash('sha256').update(bytes).digest('hex') === sha)
    return bytes.toString('utf8');
  throw new InferError('MODEL_CHANGED', 'the tokenizer on disk is not the one that this worker loaded', {
    hint: 'infer control load WORKER MODEL serves what is on disk now; or put the former files back',
  });
}

type Elements = Float32Array | Uint16Array | Uint8Array;

function allocated(type: ImagePrepare['type'], count: number): Elements {
  if (type === 'float32') return new Float32Array(count);
  return type === 'float16' ? new Uint16Array(count) : new Uint8Array(count);
}

function write(into: Elements, at: number, elements: Float32Array, type: ImagePrepare['type']): void {
  if (type === 'float32') {
    into.set(elements, at);
    return;
  }
  const convert =
    type === 'float16' ? toHalf : (value: number) => Math.min(255, Math.max(0, Math.round(value)));
  for (let i = 0; i < elements.length; i++) into[at + i] = convert(elements[i] as number);
}

function asRowError(error: unknown): InferError {
  if (error instanceof InferError) return error;
  return new InferError('PREPARE_FAILED', `the row cannot be prepared: ${messageOf(error)}`, {
    cause: error,
  });
}
