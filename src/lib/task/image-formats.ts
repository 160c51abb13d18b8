/** A format of image files that is decoded. SVG and PDF are not: they are programs that draw. */
interface ImageFormat {
  name: string;
  /** Its media type. */
  type: string;
  /** Its first bytes, a character for each. */
  magic: RegExp;
}

export const IMAGE_FORMATS: readonly ImageFormat[] = [
  { name: 'JPEG', type: 'image/jpeg', magic: /^\xff\xd8\xff/ },
  { name: 'PNG', type: 'image/png', magic: /^\x89PNG\r\n/ },
  { name: 'WebP', type: 'image/webp', magic: /^RIFF....WEBP/s },
  { name: 'GIF', type: 'image/gif', magic: /^GIF8[79]a/ },
  { name: 'TIFF', type: 'image/tiff', magic: /^(II\*\0|MM\0\*)/ },
  { name: 'AVIF', type: 'image/avif', magic: /^\0...ftypavi[fs]/s },
];

/** Number of bytes that tell a format. */
const MAGIC_BYTES = 16;

/** The format of a file by its first bytes; undefined when it is none of those that are decoded. */
export function imageFormat(file: Uint8Array): ImageFormat | undefined {
  const start = String.fromCharCode(...file.subarray(0, MAGIC_BYTES));
  return IMAGE_FORMATS.find(({ magic }) => magic.test(start));
}
