import { badInput, type InferError } from '../core/errors.js';

/** Common wrong inputs, recognised by their first bytes, with how to convert them. */

const AS_NUMBERS = 'decode it to numbers first and save those: numpy.save("rows.npy", array)';
const AS_ROWS = 'convert it to CSV or Parquet, to one row a line (NDJSON) or to .npy first';

const latin1 = (text: string) => Buffer.from(text, 'latin1');

/** Of an image, which a model takes only if its task says so. */
const AS_PIXELS =
  'send its pixels as numbers: numpy.save("rows.npy", array); or declare "task": "image-classification" in model.json';

/** First bytes, or a pattern for them with one character per byte. */
const MAGIC: [magic: Buffer | RegExp, what: string, hint: string][] = [
  [latin1('PK\x03\x04'), 'a zip or .npz archive', 'save one array with numpy.save, or unpack it first'],
  // Data that was packed once is unpacked before.
  [latin1('\x1f\x8b'), 'gzip data', 'unpack it on the way: gunzip -c FILE | infer submit -'],
  [latin1('\x28\xb5\x2f\xfd'), 'zstd data', 'unpack it on the way: zstd -dc FILE | infer submit -'],
  [latin1('\xfd7zXZ\x00'), 'xz data', 'unpack it on the way: xz -dc FILE | infer submit -'],
  [latin1('BZh'), 'bzip2 data', 'unpack it on the way: bzip2 -dc FILE | infer submit -'],
  [latin1('\xff\xfe'), 'UTF-16 text', 'convert it first: iconv -f UTF-16 -t UTF-8 input > output'],
  [latin1('\xfe\xff'), 'UTF-16 text', 'convert it first: iconv -f UTF-16 -t UTF-8 input > output'],
  [latin1('\x00\x00\xfe\xff'), 'UTF-32 text', 'convert it first: iconv -f UTF-32 -t UTF-8 input > output'],
  [latin1('\x89PNG'), 'a PNG image', AS_PIXELS],
  [latin1('\xff\xd8\xff'), 'a JPEG image', AS_PIXELS],
  [latin1('GIF8'), 'a GIF image', AS_PIXELS],
  [latin1('II*\x00'), 'a TIFF image', AS_PIXELS],
  [latin1('MM\x00*'), 'a TIFF image', AS_PIXELS],
  [/^RIFF....WEBP/s, 'a WebP image', AS_PIXELS],
  [/^RIFF....WAVE/s, 'WAV audio', AS_NUMBERS],
  [/^\0...ftypavi[fs]/s, 'an AVIF image', AS_PIXELS],
  [/^BM....\0\0\0\0/s, 'a BMP image', 'save it as PNG or JPEG first'],
  [/^<svg[\s>]/, 'an SVG drawing', 'render it as PNG or JPEG first'],
  // A box of less than 16 MB, which this one always is.
  [/^\0...ftyp/s, 'an MP4 or HEIF file', AS_NUMBERS],
  [latin1('ID3'), 'MP3 audio', AS_NUMBERS],
  [latin1('OggS'), 'Ogg audio or video', AS_NUMBERS],
  [latin1('fLaC'), 'FLAC audio', AS_NUMBERS],
  [latin1('%PDF-'), 'a PDF document', 'extract its text or images first'],
  // Where only the beginning can be read, as in the body of a request.
  [latin1('PAR1'), 'a Parquet file', 'infer submit FILE reads it; here, send one row a line (NDJSON)'],
  [latin1('ARROW1'), 'an Arrow file', AS_ROWS],
  [latin1('Obj\x01'), 'an Avro file', AS_ROWS],
  [latin1('\x89HDF'), 'an HDF5 file', AS_ROWS],
  [latin1('SQLite format 3'), 'an SQLite database', AS_ROWS],
  [latin1('\x80\x02'), 'a Python pickle', AS_ROWS],
  [latin1('\x80\x03'), 'a Python pickle', AS_ROWS],
  [latin1('\x80\x04'), 'a Python pickle', AS_ROWS],
  [latin1('\x80\x05'), 'a Python pickle', AS_ROWS],
];

/** Number of bytes that `foreignData` looks at. */
export const MAGIC_BYTES = 16;

/** The error for data of another kind, by its first bytes; undefined when they are not recognised. */
export function foreignData(label: string, start: Buffer): InferError | undefined {
  // FF FE 00 00 is UTF-32 and would look like UTF-16; both are converted in the same way.
  const text = start.toString('latin1');
  const found = MAGIC.find(([magic]) =>
    magic instanceof RegExp ? magic.test(text) : start.subarray(0, magic.length).equals(magic),
  );
  if (found === undefined) return undefined;
  const [, what, hint] = found;
  if (hint !== AS_PIXELS) return foreign(label, what, hint);
  return badInput('INPUT_FORMAT', `${label} is ${what}, which is not a row of this model`, { hint });
}

export function foreign(label: string, what: string, hint: string): InferError {
  return badInput('INPUT_FORMAT', `${label} is ${what}, which infer does not read`, { hint });
}
