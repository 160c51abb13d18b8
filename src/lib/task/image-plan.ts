import { type Kernel, type Pixels, resample } from './resample.js';

/** How colours are ordered in a model's input; `gray` is one channel. */
export const COLORS = ['rgb', 'bgr', 'gray'] as const;
export type Colors = (typeof COLORS)[number];

/** Where the colours are: `chw` one plane a colour, `hwc` next to one another. */
export const LAYOUTS = ['chw', 'hwc'] as const;
export type Layout = (typeof LAYOUTS)[number];

export interface Size {
  height: number;
  width: number;
}

/** How a decoded image becomes the elements of a row; every field is decided. JSON-safe. */
export interface ImagePlan {
  /** The size it is resized to; `shortestEdge` keeps its proportions; absent: it is not resized. */
  resize?: Size | { shortestEdge: number };
  kernel: Kernel;
  /** What is cut out of the middle; the size of the model's input. Where the image is smaller, black is added. */
  crop: Size;
  /** A level of 0..255 becomes `(level * rescale - mean) / std`, for each colour. */
  rescale: number;
  mean: number[];
  std: number[];
  colors: Colors;
  layout: Layout;
}

/** Number of colours of a model's input. */
export function channelsOf(colors: Colors): number {
  return colors === 'gray' ? 1 : 3;
}

/**
 * The elements of a row: resized, cut, rescaled, normalised and ordered. `image` is RGB. Pure.
 * @returns as many numbers as the crop has pixels and colours, in float32.
 */
export function imageElements(image: Pixels, plan: ImagePlan): Float32Array {
  const colored = plan.colors === 'gray' ? grayOf(image) : image;
  const size = resizedTo(colored, plan);
  const resized = resample(colored, size.width, size.height, plan.kernel);
  return normalised(cropped(resized, plan.crop), plan);
}

/** Its size before the crop. */
function resizedTo(image: Size, { resize }: ImagePlan): Size {
  if (resize === undefined) return image;
  if ('height' in resize) return resize;
  const { shortestEdge } = resize;
  // Rounded down, as by torchvision and Hugging Face.
  const longest = (long: number, short: number) => Math.max(1, Math.trunc((shortestEdge * long) / short));
  const { width, height } = image;
  return width <= height
    ? { width: shortestEdge, height: longest(height, width) }
    : { width: longest(width, height), height: shortestEdge };
}

/** Luminance as Pillow computes it: ITU-R 601, in 16 binary places. */
function grayOf({ data, width, height, channels }: Pixels): Pixels {
  const out = new Uint8Array(width * height);
  for (let at = 0, from = 0; at < out.length; at++, from += channels) {
    const [r, g, b] = [data[from] as number, data[from + 1] as number, data[from + 2] as number];
    out[at] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
  }
  return { data: out, width, height, channels: 1 };
}

/** The middle of an image; where the image is smaller than that, black around it. */
function cropped(image: Pixels, crop: Size): Pixels {
  if (image.width === crop.width && image.height === crop.height) return image;
  const { channels } = image;
  const out = new Uint8Array(crop.width * crop.height * channels);
  const top = Math.floor((image.height - crop.height) / 2);
  const left = Math.floor((image.width - crop.width) / 2);
  const from = Math.max(0, left);
  const columns = Math.min(image.width, left + crop.width) - from;
  for (let y = Math.max(0, top); y < Math.min(image.height, top + crop.height); y++) {
    const start = (y * image.width + from) * channels;
    const to = ((y - top) * crop.width + from - left) * channels;
    out.set(image.data.subarray(start, start + columns * channels), to);
  }
  return { data: out, ...crop, channels };
}

function normalised({ data, channels }: Pixels, plan: ImagePlan): Float32Array {
  const { layout, colors } = plan;
  const out = new Float32Array(data.length);
  const plane = data.length / channels;
  for (let c = 0; c < channels; c++) {
    const levels = levelsOf(plan, c);
    const channel = colors === 'bgr' ? channels - 1 - c : c;
    // `mean` and `std` are in the order of the model's input.
    let to = layout === 'chw' ? c * plane : c;
    const step = layout === 'chw' ? 1 : channels;
    for (let from = channel; from < data.length; from += channels, to += step)
      out[to] = levels[data[from] as number] as number;
  }
  return out;
}

/** The element of each of the 256 levels of a colour, with the roundings of NumPy in float32. */
function levelsOf({ rescale, mean, std }: ImagePlan, channel: number): Float32Array {
  const shift = Math.fround(mean[channel] as number);
  const scale = Math.fround(std[channel] as number);
  return Float32Array.from({ length: 256 }, (_, level) =>
    Math.fround(Math.fround(Math.fround(level * rescale) - shift) / scale),
  );
}
