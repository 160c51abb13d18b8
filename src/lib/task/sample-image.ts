import { crc32, deflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Eight bits a colour, RGB; deflate, no interlacing. */
const KIND = [8, 2, 0, 0, 0];

/**
 * A PNG of random pixels, for examples and measurements of models that take images: no decoder is needed to make it.
 * @param random numbers in [0, 1).
 */
export function samplePng(side: number, random: () => number): Buffer {
  const size = Buffer.alloc(8);
  size.writeUInt32BE(side, 0);
  size.writeUInt32BE(side, 4);
  const line = 1 + side * 3;
  const pixels = Buffer.alloc(line * side);
  // The first byte of a line is its filter: none.
  for (let at = 0; at < pixels.length; at++) pixels[at] = at % line === 0 ? 0 : Math.floor(random() * 256);
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', Buffer.concat([size, Buffer.from(KIND)])),
    chunk('IDAT', deflateSync(pixels)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** An image for the example of a request, as a data URL: 2 x 2 pixels. */
export function sampleDataUrl(): string {
  return `data:image/png;base64,${samplePng(2, () => 0.5).toString('base64')}`;
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length, 0);
  check.writeUInt32BE(crc32(named), 0);
  return Buffer.concat([length, named, check]);
}
