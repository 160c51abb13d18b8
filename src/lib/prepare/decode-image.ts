import { InferError } from '../core/errors.js';
import { IMAGE_FORMATS, imageFormat } from '../task/image-formats.js';
import type { Pixels } from '../task/resample.js';

/**
 * Pixels of the largest image that is decoded: 192 MB as RGB. A file of 200 KB can claim more than a billion of them, so
 * this is read from its header first.
 */
const MOST_PIXELS = 64_000_000;

/** Loaders of libvips for those formats; all others stay locked. */
const LOADERS = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif'];

type Sharp = typeof import('sharp')['default'];
let loaded: Sharp | undefined;

/** Loads the decoder, set for a process that decodes one image at a time and keeps none. @throws where it is not installed. */
async function decoder(): Promise<Sharp> {
  if (loaded === undefined) {
    const { default: sharp } = await import('sharp');
    sharp.cache(false);
    sharp.concurrency(1);
    sharp.block({ operation: ['VipsForeignLoad'] });
    sharp.unblock({ operation: LOADERS.map((name) => `VipsForeignLoad${name}Buffer`) });
    loaded = sharp;
  }
  return loaded;
}

/**
 * The pixels of an image file, as RGB of 8 bits a colour. It is turned as its EXIF orientation says; of several pages or
 * frames the first is decoded; transparency is dropped; 16 bits become 8; CMYK becomes RGB. An embedded colour profile is
 * ignored. All but CMYK is what Pillow's `convert("RGB")` does, with which models are trained.
 * @throws InferError INPUT_IMAGE when it is not one of the known formats, damaged, or has more than 64 million pixels.
 */
export async function decodeImage(bytes: Uint8Array): Promise<Pixels> {
  const format = imageFormat(bytes)?.name;
  if (bytes.byteLength === 0) throw refused('the image is empty', 'send the content of an image file');
  if (format === undefined)
    throw refused(
      'the bytes are not an image of a supported format',
      `send ${IMAGE_FORMATS.map(({ name }) => name).join(', ')}`,
    );
  const sharp = await decoder();
  try {
    const { width, height } = await sharp(bytes, { limitInputPixels: false, failOn: 'none' }).metadata();
    if (width * height > MOST_PIXELS) {
      throw refused(
        `the ${format} image has ${width} x ${height} pixels, more than ${MOST_PIXELS / 1e6} million`,
        'make it smaller before you send it',
      );
    }
    // Pillow too decodes what only warns; it refuses what is cut off.
    const image = sharp(bytes, { limitInputPixels: MOST_PIXELS, failOn: 'truncated', ignoreIcc: true });
    const { data, info } = await image
      .autoOrient()
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const pixels = { data, width: info.width, height: info.height, channels: info.channels };
    return pixels.channels === 3 ? pixels : spread(pixels);
  } catch (error) {
    if (error instanceof InferError) throw error;
    throw refused(
      `the ${format} image cannot be decoded: ${told(error)}`,
      'send it again, or open and save it in an image editor first',
    );
  }
}

/** Grey pixels as three equal colours. */
function spread({ data, width, height, channels }: Pixels): Pixels {
  const out = new Uint8Array(width * height * 3);
  for (let at = 0; at < width * height; at++) out.fill(data[at * channels] as number, at * 3, at * 3 + 3);
  return { data: out, width, height, channels: 3 };
}

/** The first line of libvips' report. */
function told(error: unknown): string {
  const [line = ''] = (error as Error).message.split('\n');
  return line.replace(/^(?:Input buffer has corrupt header: |Vips[A-Za-z]+: )+/, '').slice(0, 120);
}

function refused(message: string, hint: string): InferError {
  return new InferError('INPUT_IMAGE', message, { hint });
}
