import { promisify } from 'node:util';
import { constants, deflate, gzip } from 'node:zlib';

/** Encodings of an answer; `deflate` is zlib's format. */
type Encoding = 'gzip' | 'deflate';

const WAYS = { gzip: promisify(gzip), deflate: promisify(deflate) };
/** Below this, compression costs more than it saves. */
const LEAST_BYTES = 1024;

/** What a client takes of an answer to infer: the first of ours that it names, and does not refuse; undefined for none. */
export function acceptedEncoding(header: string | readonly string[] | undefined): Encoding | undefined {
  const offered = [header ?? []].flat().join(',').toLowerCase().split(',');
  for (const offer of offered) {
    const [name = '', ...parameters] = offer.split(';').map((part) => part.trim());
    if (name !== 'gzip' && name !== 'deflate') continue;
    const quality = parameters.find((parameter) => parameter.startsWith('q='));
    if (quality === undefined || Number(quality.slice(2)) > 0) return name;
  }
  return undefined;
}

/**
 * A body in an encoding, off this thread, at the quickest level: tensors shrink little more at others. Undefined where the
 * body is too short to be worth it.
 */
export async function compress(
  parts: readonly Uint8Array[],
  length: number,
  encoding: Encoding | undefined,
): Promise<Buffer | undefined> {
  if (encoding === undefined || length < LEAST_BYTES) return undefined;
  return WAYS[encoding](Buffer.concat(parts, length), { level: constants.Z_BEST_SPEED });
}
