import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type ImagePlan, imageElements } from '../../../src/lib/task/image-plan.js';
import { type Kernel, type Pixels, resample } from '../../../src/lib/task/resample.js';

/** A picture without a file: the same formula made it for the reference. */
function picture(width: number, height: number): Pixels {
  const data = new Uint8Array(width * height * 3);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      data[at++] = (x * 7 + y * 3) % 256;
      data[at++] = (x * x + y * 5) % 256;
      data[at++] = ((x ^ y) * 11) % 256;
    }
  }
  return { data, width, height, channels: 3 };
}

/** CRC-32 of the bytes that Pillow 9.4.0's `Image.resize` gives for the same picture. */
const PILLOW: [Kernel, number, number, number, number, number][] = [
  ['nearest', 37, 23, 8, 5, 3305605710],
  ['nearest', 37, 23, 11, 23, 2102260227],
  ['nearest', 5, 4, 9, 7, 3823848341],
  ['nearest', 300, 200, 64, 48, 2508183777],
  ['box', 37, 23, 8, 5, 2046641021],
  ['box', 37, 23, 11, 23, 3699794522],
  ['box', 5, 4, 9, 7, 3083866506],
  ['box', 300, 200, 64, 48, 84853991],
  ['bilinear', 37, 23, 8, 5, 170753798],
  ['bilinear', 37, 23, 11, 23, 3569565605],
  ['bilinear', 5, 4, 9, 7, 1868615056],
  ['bilinear', 300, 200, 64, 48, 284915350],
  ['hamming', 37, 23, 8, 5, 762164539],
  ['hamming', 37, 23, 11, 23, 2432061572],
  ['hamming', 5, 4, 9, 7, 3797678804],
  ['hamming', 300, 200, 64, 48, 527933543],
  ['bicubic', 37, 23, 8, 5, 3747592778],
  ['bicubic', 37, 23, 11, 23, 4148925106],
  ['bicubic', 5, 4, 9, 7, 1382274441],
  ['bicubic', 300, 200, 64, 48, 1520813736],
  ['lanczos', 37, 23, 8, 5, 1306099174],
  ['lanczos', 37, 23, 11, 23, 1585591303],
  ['lanczos', 5, 4, 9, 7, 305615303],
  ['lanczos', 300, 200, 64, 48, 4199631151],
];

/** The usual numbers of ImageNet. */
const IMAGENET: ImagePlan = {
  resize: { shortestEdge: 64 },
  kernel: 'bicubic',
  crop: { height: 56, width: 56 },
  rescale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  colors: 'rgb',
  layout: 'chw',
};

/** No change but the size. */
const PLAIN: ImagePlan = {
  kernel: 'bilinear',
  crop: { height: 2, width: 2 },
  rescale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  colors: 'rgb',
  layout: 'hwc',
};

const DOTS: Pixels = {
  data: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
  width: 2,
  height: 2,
  channels: 3,
};

describe('a resized image', () => {
  it.each(PILLOW)(
    'is byte for byte that of Pillow: %s, %i x %i to %i x %i',
    (kernel, w, h, toW, toH, crc) => {
      expect(crc32(resample(picture(w, h), toW, toH, kernel).data)).toBe(crc);
    },
  );

  it('is the same image at its own size', () => {
    expect(resample(DOTS, 2, 2, 'lanczos').data).toEqual(DOTS.data);
  });
});

describe('the elements of an image', () => {
  it('are those of Pillow and NumPy after resize, crop, rescale and normalisation', () => {
    const elements = imageElements(picture(300, 200), IMAGENET);
    const at = (c: number, y: number, x: number) => elements[(c * 56 + y) * 56 + x];
    // Pillow 9.4.0 and NumPy 1.24.2, in float32.
    expect([at(0, 0, 0), at(1, 0, 0), at(2, 0, 0)]).toEqual([
      1.974912166595459, 0.2752102017402649, -0.7935511469841003,
    ]);
    expect([at(0, 55, 55), at(1, 30, 7), at(2, 12, 50)]).toEqual([
      0.5535576939582825, 0.20518219470977783, -0.3578212559223175,
    ]);
    expect(elements.reduce((sum, value) => sum + value, 0)).toBeCloseTo(2168.680710276123, 6);
    expect(elements.reduce((sum, value) => sum + Math.abs(value), 0)).toBeCloseTo(7150.896990238223, 6);
  });

  it('are grey as Pillow converts and resizes them', () => {
    const gray = { ...PLAIN, colors: 'gray' as const, mean: [0], std: [1] };
    const size = { width: 8, height: 5 };
    const elements = imageElements(picture(37, 23), { ...gray, resize: size, crop: size });
    // Pillow 9.4.0: convert('L').resize((8, 5), Image.BILINEAR)
    expect([...elements.slice(0, 16)]).toEqual([
      21, 56, 120, 127, 148, 138, 140, 143, 41, 73, 131, 125, 145, 145, 155, 134,
    ]);
  });

  it('are ordered as the model takes them', () => {
    expect([...imageElements(DOTS, PLAIN)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect([...imageElements(DOTS, { ...PLAIN, layout: 'chw' })]).toEqual([
      1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12,
    ]);
    expect([...imageElements(DOTS, { ...PLAIN, colors: 'bgr' })]).toEqual([
      3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10,
    ]);
  });

  it('are normalised colour by colour in the order of the model', () => {
    const plan = { ...PLAIN, colors: 'bgr' as const, mean: [3, 2, 1], std: [1, 2, 4] };
    expect([...imageElements(DOTS, plan)].slice(0, 6)).toEqual([0, 0, 0, 3, 1.5, 0.75]);
  });

  it('have black around an image that is smaller than the crop', () => {
    const crop = { height: 3, width: 4 };
    const elements = imageElements(DOTS, { ...PLAIN, crop, colors: 'gray', mean: [0], std: [1] });
    expect(elements).toHaveLength(12);
    expect([...elements].map((value) => value > 0)).toEqual([
      ...[false, false, false, false],
      ...[false, true, true, false],
      ...[false, true, true, false],
    ]);
  });
});
