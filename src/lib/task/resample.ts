/** Kernels by the names that Pillow, torchvision and Hugging Face give them. */
export const KERNELS = ['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos'] as const;
export type Kernel = (typeof KERNELS)[number];

/** Interleaved 8-bit pixels, row after row. */
export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
  channels: number;
}

/** Weights are integers with this many binary places, as in Pillow: the same roundings give the same pixels. */
const PRECISION_BITS = 22;

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Half the width of each kernel in pixels, and its weight at a distance. */
const FILTERS: Record<Exclude<Kernel, 'nearest'>, { support: number; weight: (x: number) => number }> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: (x) => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x))),
  },
  bicubic: { support: 2, weight: cubic },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Keys' cubic with a = -0.5. */
function cubic(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x < 2) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
  return 0;
}

/**
 * An image at another size, with the kernel widened when it shrinks (antialiasing). The result is that of Pillow's
 * `Image.resize`, which the models' own pipelines use: libvips computes the same kernels in another way: a
 * photo-like image of 500 x 375 at 299 x 224 differed by up to 2 (bilinear), 4 (bicubic) and 7 (lanczos) of 255 levels. Pure.
 */
export function resample(image: Pixels, width: number, height: number, kernel: Kernel): Pixels {
  if (kernel === 'nearest') return nearest(image, width, height);
  const across = width === image.width ? image : horizontally(image, width, kernel);
  return height === image.height ? across : vertically(across, height, kernel);
}

function nearest(image: Pixels, width: number, height: number): Pixels {
  const { data, channels } = image;
  const out = new Uint8Array(width * height * channels);
  const columns = nearestTo(image.width, width);
  const rows = nearestTo(image.height, height);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const row = (rows[y] as number) * image.width;
    for (let x = 0; x < width; x++) {
      const from = (row + (columns[x] as number)) * channels;
      for (let c = 0; c < channels; c++) out[to++] = data[from + c] as number;
    }
  }
  return { data: out, width, height, channels };
}

/** For each output position the nearest input position; added up as Pillow does, which decides at ties. */
function nearestTo(from: number, to: number): Int32Array {
  const scale = from / to;
  let at = scale * 0.5;
  return Int32Array.from({ length: to }, () => {
    const place = Math.min(from - 1, Math.trunc(at));
    at += scale;
    return place;
  });
}

/** For each output position: the first input position, the number of them, and their weights. */
interface Taps {
  first: Int32Array;
  count: Int32Array;
  weights: Int32Array;
  stride: number;
}

function tapsOf(from: number, to: number, kernel: Exclude<Kernel, 'nearest'>): Taps {
  const { support: half, weight } = FILTERS[kernel];
  const scale = from / to;
  const widened = Math.max(scale, 1);
  const support = half * widened;
  const stride = Math.ceil(support) * 2 + 1;
  const taps: Taps = {
    first: new Int32Array(to),
    count: new Int32Array(to),
    weights: new Int32Array(to * stride),
    stride,
  };
  const exact = new Float64Array(stride);
  for (let at = 0; at < to; at++) {
    const centre = (at + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(from, Math.trunc(centre + support + 0.5)) - first;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const value = weight((i + first - centre + 0.5) / widened);
      exact[i] = value;
      sum += value;
    }
    taps.first[at] = first;
    taps.count[at] = count;
    for (let i = 0; i < count; i++) {
      const value = ((exact[i] as number) / sum) * 2 ** PRECISION_BITS;
      taps.weights[at * stride + i] = Math.trunc(value < 0 ? value - 0.5 : value + 0.5);
    }
  }
  return taps;
}

function clipped(sum: number): number {
  return Math.max(0, Math.min(255, sum >> PRECISION_BITS));
}

const HALF = 1 << (PRECISION_BITS - 1);

function horizontally(image: Pixels, width: number, kernel: Exclude<Kernel, 'nearest'>): Pixels {
  const { data, height, channels } = image;
  const { first, count, weights, stride } = tapsOf(image.width, width, kernel);
  const out = new Uint8Array(width * height * channels);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const row = y * image.width * channels;
    for (let x = 0; x < width; x++) {
      const start = row + (first[x] as number) * channels;
      const taps = count[x] as number;
      const own = x * stride;
      for (let c = 0; c < channels; c++) {
        let sum = HALF;
        let at = start + c;
        for (let i = 0; i < taps; i++) {
          sum = (sum + Math.imul(data[at] as number, weights[own + i] as number)) | 0;
          at += channels;
        }
        out[to++] = clipped(sum);
      }
    }
  }
  return { data: out, width, height, channels };
}

function vertically(image: Pixels, height: number, kernel: Exclude<Kernel, 'nearest'>): Pixels {
  const { data, width, channels } = image;
  const { first, count, weights, stride } = tapsOf(image.height, height, kernel);
  const line = width * channels;
  const out = new Uint8Array(line * height);
  const sums = new Int32Array(line);
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    // Whole lines after one another: in the order of memory.
    for (let i = 0; i < (count[y] as number); i++) {
      const weight = weights[y * stride + i] as number;
      const from = ((first[y] as number) + i) * line;
      for (let x = 0; x < line; x++)
        sums[x] = ((sums[x] as number) + Math.imul(data[from + x] as number, weight)) | 0;
    }
    const to = y * line;
    for (let x = 0; x < line; x++) out[to + x] = clipped(sums[x] as number);
  }
  return { data: out, width, height, channels };
}
