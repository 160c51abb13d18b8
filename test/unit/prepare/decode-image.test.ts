import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../../src/lib/prepare/decode-image.js';
import { samplePng } from '../../../src/lib/task/sample-image.js';

/** 16 x 12 pixels, quality 90, chroma halved in both directions: written by Pillow 9.4.0. */
const JPEG = Buffer.from(
  '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMU' +
    'FRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU' +
    'FBQUFBQUFBT/wAARCAAMABADASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUF' +
    'BAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVW' +
    'V1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi' +
    '4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAEC' +
    'AxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVm' +
    'Z2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq' +
    '8vP09fb3+Pn6/9oADAMBAAIRAxEAPwD5X8FfAv8A1f8Ao/6V754K+BX+r/0f9K9q8FeEdM/d/uK988FeENM/d/uKnL8fPQ83w98Q' +
    'cZ7m5//Z',
  'base64',
);

const three = (data: Uint8Array | number[]) => [...data].slice(0, 3);

/** A PNG of one colour; `channels` with 4 has that alpha. */
const png = (background: { r: number; g: number; b: number; alpha?: number }, width = 4, height = 3) =>
  sharp({ create: { width, height, channels: background.alpha === undefined ? 3 : 4, background } })
    .png()
    .toBuffer();

describe('a decoded image', () => {
  it('has the pixels that Pillow decodes from the same JPEG', async () => {
    const { data, width, height, channels } = await decodeImage(JPEG);
    expect([width, height, channels]).toEqual([16, 12, 3]);
    expect([...data.slice(0, 12)]).toEqual([2, 0, 1, 12, 3, 8, 26, 4, 16, 42, 4, 25]);
    // CRC-32 of np.asarray(Image.open(...).convert('RGB')), Pillow 9.4.0 with libjpeg-turbo 2.1.2.
    expect(crc32(data)).toBe(3813323781);
  });

  it('is turned as its EXIF orientation says', async () => {
    const lying = sharp(JPEG).withMetadata({ orientation: 6 });
    const { width, height } = await decodeImage(await lying.jpeg().toBuffer());
    expect([width, height]).toEqual([12, 16]);
  });

  it('drops transparency instead of blending it with a background', async () => {
    const { data, channels } = await decodeImage(await png({ r: 200, g: 100, b: 50, alpha: 0.5 }));
    expect(channels).toBe(3);
    expect(three(data)).toEqual([200, 100, 50]);
  });

  it('has three equal colours where the file is grey, of 8 or 16 bits', async () => {
    const grey = sharp(Buffer.alloc(12, 77), { raw: { width: 4, height: 3, channels: 1 } });
    for (const depth of [grey.clone(), grey.clone().toColourspace('grey16')]) {
      const { data, channels } = await decodeImage(await depth.png().toBuffer());
      expect([channels, data.length, ...three(data)]).toEqual([3, 36, 77, 77, 77]);
    }
  });

  it('has 8 bits a colour where the file has 16', async () => {
    const deep = sharp(await png({ r: 200, g: 100, b: 50 })).toColourspace('rgb16');
    expect(three((await decodeImage(await deep.png().toBuffer())).data)).toEqual([200, 100, 50]);
  });

  it('is RGB where the file is CMYK', async () => {
    const print = sharp(await png({ r: 250, g: 10, b: 10 }, 16, 16)).toColourspace('cmyk');
    const { data, channels } = await decodeImage(await print.jpeg().toBuffer());
    const [r, g, b] = three(data) as [number, number, number];
    expect(channels).toBe(3);
    expect(r).toBeGreaterThan(Math.max(g, b) + 100);
  });

  it('is the first frame of an animation', async () => {
    const frames = await Promise.all([png({ r: 255, g: 0, b: 0 }), png({ r: 0, g: 0, b: 255 })]);
    const animated = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    const { data, height } = await decodeImage(animated);
    expect([height, ...three(data)]).toEqual([3, 255, 0, 0]);
  });

  it.each(['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'] as const)('is read from %s', async (format) => {
    const file = await sharp(await png({ r: 250, g: 20, b: 10 }, 32, 32))
      .toFormat(format)
      .toBuffer();
    const { width, height, data } = await decodeImage(file);
    expect([width, height]).toEqual([32, 32]);
    for (const [at, level] of [250, 20, 10].entries())
      expect(Math.abs((data[at] as number) - level)).toBeLessThan(6);
  });
});

describe('an image that is refused', () => {
  it.each(['png', 'jpeg', 'webp', 'gif'] as const)('is a %s that ends early', async (format) => {
    const noise = samplePng(64, Math.random);
    const file = await sharp(noise).toFormat(format).toBuffer();
    await expect(decodeImage(file.subarray(0, Math.floor(file.length / 2)))).rejects.toMatchObject({
      code: 'INPUT_IMAGE',
      message: expect.stringContaining('cannot be decoded'),
    });
  });

  it('claims 40,000 x 40,000 pixels: this is read from its header', async () => {
    const bomb = samplePng(2, () => 0);
    bomb.writeUInt32BE(40_000, 16);
    bomb.writeUInt32BE(40_000, 20);
    bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
    await expect(decodeImage(bomb)).rejects.toMatchObject({
      code: 'INPUT_IMAGE',
      message: 'the PNG image has 40000 x 40000 pixels, more than 64 million',
    });
  });

  it('is SVG, text or nothing', async () => {
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    for (const file of [svg, Buffer.from('cat.jpg'), Buffer.alloc(0)])
      await expect(decodeImage(file)).rejects.toMatchObject({ code: 'INPUT_IMAGE' });
  });

  it('only begins like an image', async () => {
    const file = Buffer.concat([JPEG.subarray(0, 4), Buffer.alloc(500, 7)]);
    await expect(decodeImage(file)).rejects.toMatchObject({ code: 'INPUT_IMAGE' });
  });
});
