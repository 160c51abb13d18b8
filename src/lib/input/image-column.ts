import { badInput, type InferError } from '../core/errors.js';
import { formatBytes } from '../core/units.js';
import type { TensorSignature } from '../model/signature.js';
import { encodeBytes } from '../model/tensor.js';
import { describe } from '../model/value-words.js';
import type { StagedRow, Taking, Where } from './column.js';
import { inputOf } from './wanted.js';

/** Prepared images take far more memory than their files: rows of a chunk are limited by both, in this proportion. */
const PREPARED_SHARE = 16;
/** Bytes of the largest file of one image. */
const MOST_BYTES = 64 * 1024 * 1024;

const DATA_URL = /^data:[^,]*,/i;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** An input of image files: bytes, a data URL, base64, or where a submitter reads files, a path. */
export class ImageColumn {
  constructor(
    readonly input: TensorSignature,
    private readonly model: string,
    private readonly where: Where,
    private readonly taking: Taking,
  ) {}

  /**
   * The bytes of one image as an element of a tensor. They are decoded by the worker; here only what is no image at all is
   * refused. @throws InferError INPUT_TYPE, INPUT_IMAGE, and those of reading a file.
   */
  stage(value: unknown, row: number): StagedRow {
    const file = this.bytesOf(value, row);
    if (file.byteLength === 0) throw this.refuse('INPUT_IMAGE', 'an image of no bytes found', row);
    if (file.byteLength > MOST_BYTES) {
      const size = `${formatBytes(file.byteLength)} found, an image has at most ${formatBytes(MOST_BYTES)}`;
      throw this.refuse('INPUT_IMAGE', size, row, 'save it smaller first');
    }
    const data = encodeBytes([file]);
    return { shape: [], data, key: '', weight: Math.max(data.byteLength, preparedWeight(this.input)) };
  }

  private bytesOf(value: unknown, row: number): Uint8Array {
    if (value instanceof Uint8Array) return value;
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    if (typeof value !== 'string') {
      throw this.refuse('INPUT_TYPE', `${describe(value)} found`, row);
    }
    const url = DATA_URL.exec(value)?.[0];
    if (url !== undefined) return this.fromDataUrl(url, value.slice(url.length), row);
    if (this.taking.readFile !== undefined) return this.taking.readFile(value, this.where(row));
    return this.fromBase64(value, row);
  }

  private fromDataUrl(head: string, body: string, row: number): Uint8Array {
    if (/;base64,$/i.test(head)) return this.fromBase64(body, row);
    throw this.refuse('INPUT_IMAGE', 'a data URL that is not base64 found', row);
  }

  private fromBase64(text: string, row: number): Uint8Array {
    const compact = text.replace(/\s+/g, '');
    if (!BASE64.test(compact)) {
      throw this.refuse('INPUT_IMAGE', 'text that is neither a data URL nor base64 found', row);
    }
    return Buffer.from(compact, 'base64');
  }

  private refuse(
    code: 'INPUT_IMAGE' | 'INPUT_TYPE',
    found: string,
    row: number,
    hint = this.taking.readFile === undefined
      ? 'give the bytes of an image file, as a data URL or base64 in JSON; paths and addresses are read by infer submit only'
      : 'give the path of an image file, or a data URL',
  ): InferError {
    return badInput(code, `${found}; ${inputOf(this.input, this.model)} takes an image`, {
      where: this.where(row),
      hint,
    });
  }
}

/** What an image counts at least among the bytes of its chunk. */
export function preparedWeight({ preparedBytes = 0 }: TensorSignature): number {
  return Math.ceil(preparedBytes / PREPARED_SHARE);
}

/** What marks the tensor of an input of images. */
export function imageRole({ role }: TensorSignature): { role?: 'image' } {
  return role === 'image' ? { role } : {};
}

/** Elements of a request, each an image as a data URL or base64, as they are stored. @throws as `ImageColumn.stage`. */
export function imagesOf(
  elements: ArrayLike<unknown>,
  input: TensorSignature,
  model: string,
  where: string,
): Uint8Array {
  const column = new ImageColumn(input, model, () => where, { copies: false, exact: false });
  return Buffer.concat(Array.from(elements, (element) => column.stage(element, 1).data));
}
