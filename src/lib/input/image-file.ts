import { badInput, type InferError } from '../core/errors.js';
import { type ModelSignature, takesImage } from '../model/signature.js';
import { IMAGE_FORMATS, imageFormat } from '../task/image-formats.js';
import type { ByteReader } from './bytes.js';
import { type Chunk, ONE_CHUNK } from './chunk.js';
import { ChunkBuilder } from './chunk-builder.js';
import { bareInput } from './left-out.js';
import { inputNames } from './wanted.js';

/** Bytes that tell an image from JSON. */
const LOOKED_AT = 16;

/**
 * The row of a file that is an image itself, for a model that takes one; undefined for any other file, of which everything
 * is put back.
 * @param isImage it is said to be one: anything else is refused.
 * @throws InferError INPUT_TOO_LARGE; INPUT_FORMAT, INPUT_IMAGE where it is said to be an image.
 */
export async function readImageFile(
  reader: ByteReader,
  signature: ModelSignature,
  maxBytes: number,
  isImage: boolean,
): Promise<Chunk[] | undefined> {
  if (isImage && !takesBareImage(signature)) throw takesNone(signature);
  if (!(await isImageFile(reader, signature))) {
    if (isImage) throw notRead(reader.label);
    return undefined;
  }
  const file = await reader.rest(maxBytes, 'the image');
  const builder = new ChunkBuilder(signature, ONE_CHUNK, () => undefined, { expectedRows: 1 });
  builder.addRow(file, 1, 'refuse');
  builder.flush();
  return builder.drain();
}

/** Whether a file is an image itself, for a model that takes one; everything is put back. */
export async function isImageFile(reader: ByteReader, signature: ModelSignature): Promise<boolean> {
  if (!takesBareImage(signature)) return false;
  const start = await reader.exactly(LOOKED_AT);
  reader.unread(start);
  return imageFormat(start) !== undefined;
}

function takesBareImage(signature: ModelSignature): boolean {
  return takesImage(signature) && bareInput(signature) !== undefined;
}

function takesNone(signature: ModelSignature): InferError {
  return badInput(
    'INPUT_FORMAT',
    `a row of model ${signature.name} is not an image; it takes ${inputNames(signature)}`,
    { hint: 'send rows as JSON, or declare "task": "image-classification" in its model.json' },
  );
}

function notRead(label: string): InferError {
  return badInput('INPUT_IMAGE', `${label} is not an image of a supported format`, {
    hint: `send ${IMAGE_FORMATS.map(({ name }) => name).join(', ')}`,
  });
}
