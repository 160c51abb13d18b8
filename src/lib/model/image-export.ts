import type { Kernel } from '../task/resample.js';
import { type Derived, derived } from './derived.js';
import { PROCESSOR_FILE } from './model-names.js';
import { type ImageManifest, imageSchema } from './raw-schema.js';

/** Kernels by Pillow's numbers. */
const KERNEL_NUMBERS: readonly Kernel[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];
/** Image processors whose `size`, given as one number, is that of the shorter side. */
const SHORTER_SIDE = /CLIP|ConvNext|^Levit|PoolFormer|MobileNet|MobileViT|^Bit/i;
/** Those that use bicubic where `resample` is missing. */
const BICUBIC = /CLIP|Deit|Beit|^Levit|PoolFormer|^Bit/i;
/** Steps that `preprocess` does not have. */
const OTHER_STEPS = [
  'do_pad',
  'do_thumbnail',
  'do_align_long_axis',
  'do_reduce_labels',
  'do_color_quantize',
  'do_image_splitting',
  'rescale_offset',
];
/** Fields of which an image processor has one at least. */
const SAYS = ['size', 'crop_size', 'image_mean', 'do_resize'];
/** Below this ConvNeXT resizes to more and cuts; from it on it resizes to a square. */
const CONVNEXT_SQUARE = 384;
/** What ConvNeXT cuts out if the file does not say, and LeViT always. */
const USUAL_SHARE = 224 / 256;

type Config = Record<string, unknown>;

/**
 * `preprocess` from a Hugging Face image processor's settings, for a model whose rows are images.
 * @param text of preprocessor_config.json.
 */
export function fromProcessor(text: Config): Derived {
  const found = derived();
  const type = nameOf(text);
  const why = unfit(text, type);
  const preprocess = why === undefined ? imageSchema.safeParse(manifestOf(text, type)) : undefined;
  if (preprocess?.success !== true) {
    found.notes.push(
      `${PROCESSOR_FILE} is not used: ${why ?? 'its sizes or numbers are not understood'}; write preprocess in model.json`,
    );
    return found;
  }
  found.manifest.preprocess = preprocess.data;
  // Named with a field, as other origins are.
  found.origins.push({
    field: 'preprocess',
    from: `${PROCESSOR_FILE} ${type === '' ? 'size' : type}`,
    assumed: false,
  });
  return found;
}

/** The class of the image processor; older files call it a feature extractor. */
function nameOf(config: Config): string {
  const name = config.image_processor_type ?? config.feature_extractor_type;
  return typeof name === 'string' ? name : '';
}

function unfit(config: Config, type: string): string | undefined {
  if (!SAYS.some((name) => config[name] !== undefined)) return 'it says nothing about images';
  const step = OTHER_STEPS.find((name) => config[name] === true);
  if (step !== undefined) return `it asks for ${step}`;
  if (/EfficientNet/i.test(type) && config.include_top === true) return 'it normalises twice (include_top)';
  const { size } = config;
  if (config.do_resize !== false && typeof size === 'object' && size !== null && 'longest_edge' in size)
    return 'its size has a longest_edge';
  return undefined;
}

function manifestOf(config: Config, type: string): ImageManifest {
  const mean = config.do_normalize === false ? undefined : config.image_mean;
  const std = config.do_normalize === false ? undefined : config.image_std;
  return without({
    ...(config.do_resize === false ? {} : sizesOf(config, type)),
    ...cropOf(config, type),
    resample: kernelOf(config.resample, type),
    rescale: config.do_rescale === false ? 1 : config.rescale_factor,
    mean,
    std,
    colors: config.do_flip_channel_order === true ? 'bgr' : undefined,
  }) as ImageManifest;
}

function kernelOf(resample: unknown, type: string): unknown {
  if (typeof resample === 'number') return KERNEL_NUMBERS[resample] ?? resample;
  return resample ?? (BICUBIC.test(type) ? 'bicubic' : 'bilinear');
}

function sizesOf({ size, crop_pct: share }: Config, type: string): Config {
  if (size === undefined) return {};
  const shorter = shorterSide(size, type);
  if (shorter === undefined) return { size };
  if (/ConvNext/i.test(type)) {
    if (shorter >= CONVNEXT_SQUARE) return { size: shorter };
    return { size: { shortestEdge: grown(shorter, share ?? USUAL_SHARE) }, crop: shorter };
  }
  if (/^Levit/i.test(type)) return { size: { shortestEdge: grown(shorter, USUAL_SHARE) } };
  if (/PoolFormer/i.test(type) && typeof share === 'number')
    return { size: { shortestEdge: grown(shorter, share) } };
  return { size: { shortestEdge: shorter } };
}

/** The shorter side that an image is resized to; undefined when both sides are given. */
function shorterSide(size: unknown, type: string): number | undefined {
  if (typeof size === 'number') return SHORTER_SIDE.test(type) ? size : undefined;
  const edge = (size as { shortest_edge?: unknown } | null)?.shortest_edge;
  return typeof edge === 'number' ? edge : undefined;
}

const grown = (side: number, share: unknown) => Math.trunc(side / (share as number));

function cropOf({ do_center_crop: crops, crop_size: crop }: Config, type: string): Config {
  // ConvNeXT cuts by its size.
  if (crops === false || crop === undefined || crop === null || /ConvNext/i.test(type)) return {};
  const edge = (crop as { shortest_edge?: unknown }).shortest_edge;
  return { crop: edge ?? crop };
}

function without(fields: Config): Config {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null),
  );
}
