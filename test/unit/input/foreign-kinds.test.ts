import { describe, expect, it } from 'vitest';
import { foreignData, MAGIC_BYTES } from '../../../src/lib/input/foreign.js';

const start = (text: string) =>
  Buffer.from(text.padEnd(MAGIC_BYTES, '\x01'), 'latin1').subarray(0, MAGIC_BYTES);

const PIXELS =
  'send its pixels as numbers: numpy.save("rows.npy", array); or declare "task": "image-classification" in model.json';

describe('a foreign file format', () => {
  it.each([
    ['PK\x03\x04', 'a zip or .npz archive', 'numpy.save'],
    ['\x1f\x8b\x08', 'gzip data', 'gunzip -c FILE | infer submit -'],
    ['\x28\xb5\x2f\xfd', 'zstd data', 'zstd -dc FILE | infer submit -'],
    ['\xfd7zXZ\x00', 'xz data', 'xz -dc FILE | infer submit -'],
    ['BZh9', 'bzip2 data', 'bzip2 -dc FILE | infer submit -'],
    ['\xff\xfe[\0', 'UTF-16 text', 'iconv -f UTF-16 -t UTF-8'],
    ['\xfe\xff\0[', 'UTF-16 text', 'iconv -f UTF-16 -t UTF-8'],
    ['\0\0\xfe\xff', 'UTF-32 text', 'iconv -f UTF-32 -t UTF-8'],
    ['\x89PNG\r\n', 'a PNG image', PIXELS],
    ['\xff\xd8\xff\xe1', 'a JPEG image', PIXELS],
    ['GIF87a', 'a GIF image', PIXELS],
    ['GIF89a', 'a GIF image', PIXELS],
    ['II*\0', 'a TIFF image', PIXELS],
    ['MM\0*', 'a TIFF image', PIXELS],
    ['RIFF\x24\x0a\0\0WEBPVP8 ', 'a WebP image', PIXELS],
    ['RIFF\x24\x0a\0\0WAVEfmt ', 'WAV audio', 'decode it to numbers first'],
    ['\0\0\0\x20ftypavif', 'an AVIF image', PIXELS],
    ['BM\x36\x10\0\0\0\0\0\0', 'a BMP image', 'save it as PNG or JPEG first'],
    ['<svg xmlns="http', 'an SVG drawing', 'render it as PNG or JPEG first'],
    ['\0\0\0\x20ftypheic', 'an MP4 or HEIF file', 'decode it to numbers first'],
    ['ID3\x04', 'MP3 audio', 'decode it to numbers first'],
    ['OggS\0', 'Ogg audio or video', 'decode it to numbers first'],
    ['fLaC\0', 'FLAC audio', 'decode it to numbers first'],
    ['%PDF-1.7', 'a PDF document', 'extract its text or images first'],
    ['PAR1\x15', 'a Parquet file', 'infer submit FILE reads it'],
    ['ARROW1\0\0', 'an Arrow file', 'convert it to CSV or Parquet'],
    ['Obj\x01', 'an Avro file', 'convert it to CSV or Parquet'],
    ['\x89HDF\r\n', 'an HDF5 file', 'convert it to CSV or Parquet'],
    ['SQLite format 3\0', 'an SQLite database', 'convert it to CSV or Parquet'],
    ['\x80\x02}', 'a Python pickle', 'convert it to CSV or Parquet'],
    ['\x80\x03}', 'a Python pickle', 'convert it to CSV or Parquet'],
    ['\x80\x04\x95', 'a Python pickle', 'convert it to CSV or Parquet'],
    ['\x80\x05\x95', 'a Python pickle', 'convert it to CSV or Parquet'],
  ])('is recognised by its first bytes, with a fix: %j', (bytes, what, hint) => {
    const error = foreignData('rows.bin', start(bytes));
    expect(error).toMatchObject({
      code: 'INPUT_FORMAT',
      message: `rows.bin is ${what}, which ${hint === PIXELS ? 'is not a row of this model' : 'infer does not read'}`,
      exitCode: 65,
    });
    expect(error?.hint).toContain(hint);
  });

  it.each([
    '{"a": [1]}',
    '[1, 2]',
    '"GIF89a"',
    'x',
    '\ufeff[1]',
    '\x93NUMPY\x01\0',
    'xPK\x03\x04',
    'x\0\0\0ftyp',
    'BMI,age\n21.5,40\n',
    '<svgs>',
  ])('is not assumed for %j', (text) => {
    expect(foreignData('rows.bin', Buffer.from(text, 'latin1'))).toBeUndefined();
  });
});
