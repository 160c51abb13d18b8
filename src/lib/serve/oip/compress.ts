import { promisify } from 'node:util';
import { constants, deflate, gzip } from 'node:zlib';

/** Encodings of a response; `deflate` is zlib's format. */
type Encoding = 'gzip' | 'deflate';

const WAYS = { gzip: promisify(gzip), deflate: promisify(deflate) };
/** For smaller bodies, compression costs more than it saves. */
const LEAST_BYTES = 1024;

/** Of a longer body a piece of this length is tried first. */
const SAMPLE_BYTES = 65_536;
const LEVEL = { level: constants.Z_BEST_SPEED } as const;
/** A sample that keeps more than this share of its length is not worth the time. */
const WORTH = 0.8;

/**
 * The supported encoding with the highest quality, the first one named if several are equal; undefined for none,
 * or if the client prefers the plain body (`identity`).
 */
export function acceptedEncoding(header: string | readonly string[] | undefined): Encoding | undefined {
  const offered = [header ?? []].flat().join(',').toLowerCase().split(',');
  let best: Encoding | undefined;
  let [most, plain] = [0, 0];
  for (const offer of offered) {
    const [name = '', ...parameters] = offer.split(';').map((part) => part.trim());
    const given = parameters.find((parameter) => parameter.startsWith('q='));
    const quality = given === undefined ? 1 : Number(given.slice(2));
    if (name === 'identity') plain = quality;
    if ((name === 'gzip' || name === 'deflate') && quality > most) [best, most] = [name, quality];
  }
  return plain > most ? undefined : best;
}

/**
 * Compresses a body off this thread, at the fastest level: tensors shrink little more at others. Undefined if it
 * is not worth it: the body is short, or a sample of it hardly shrinks, as for most measured numbers. Clients
 * accept encodings by default, and a megabyte of floats costs about 20 ms of a core.
 */
export async function compress(
  parts: readonly Uint8Array[],
  length: number,
  encoding: Encoding | undefined,
): Promise<Buffer | undefined> {
  if (encoding === undefined || length < LEAST_BYTES) return undefined;
  const way = WAYS[encoding];
  if (length > 4 * SAMPLE_BYTES && !(await shrinks(parts, way))) return undefined;
  const [first] = parts;
  return way(parts.length === 1 && first !== undefined ? first : Buffer.concat(parts, length), LEVEL);
}

/** Whether a piece from the middle of the longest part shrinks enough. */
async function shrinks(parts: readonly Uint8Array[], way: (typeof WAYS)[Encoding]): Promise<boolean> {
  const longest = parts.reduce((best, part) => (part.byteLength > best.byteLength ? part : best));
  const from = Math.max(0, (longest.byteLength - SAMPLE_BYTES) >> 1);
  const sample = longest.subarray(from, from + SAMPLE_BYTES);
  return (await way(sample, LEVEL)).byteLength < WORTH * sample.byteLength;
}
