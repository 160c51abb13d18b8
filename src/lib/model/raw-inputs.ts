import { createRequire } from 'node:module';
import { InferError } from '../core/errors.js';
import { type Colors, channelsOf, type ImagePlan, type Layout, type Size } from '../task/image-plan.js';
import type { PreparePlan } from '../task/prepare-plan.js';
import type { ModelManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import type { TensorMeta } from './probe-target.js';
import type { ImageManifest } from './raw-schema.js';
import type { TensorSignature } from './signature.js';
import { elementCount } from './tensor.js';

/** Tasks whose rows are images. */
export const IMAGE_TASKS: readonly string[] = ['image-classification', 'image'];

/** Whether a model's rows are images: by its task, or an embedding that says how images are prepared. */
export function takesImages({ task, preprocess }: ModelManifest): boolean {
  return IMAGE_TASKS.includes(task ?? '') || (task === 'embedding' && preprocess !== undefined);
}

/** An input of a model, and where its colours and pixels are. */
interface ImageInput {
  name: string;
  layout: Layout;
  colors: Colors;
  /** Undefined where the model leaves it open. */
  size: Size | undefined;
  /** A row has the three axes of `layout`: its open ones can be fixed. */
  hasAxes: boolean;
}

/**
 * The manifest with the sizes that `preprocess` decides, for a model that leaves its height and width open: the trial at
 * load then runs rows of the size that it will get.
 * @throws InferError MODEL_MANIFEST when the model has no input for images, or its size is said nowhere.
 */
export function withImageSize(
  manifest: ModelManifest,
  inputs: readonly TensorMeta[],
  label: string,
): ModelManifest {
  if (!takesImages(manifest)) return manifest;
  const input = imageInput(manifest, inputs, label);
  const declared = manifest.inputs?.[input.name];
  if (!input.hasAxes || declared?.shape !== undefined) return manifest;
  const { height, width } = finalSize(manifest.preprocess ?? {}, input, label);
  const channels = channelsOf(input.colors);
  const shape = input.layout === 'chw' ? [channels, height, width] : [height, width, channels];
  return { ...manifest, inputs: { ...manifest.inputs, [input.name]: { ...declared, shape } } };
}

/** What submitters give instead of a model's own inputs, and how it becomes those. */
export interface RawInputs {
  inputs: TensorSignature[];
  plan: PreparePlan;
}

/**
 * The raw input of a model whose task takes one; undefined for a model of tensors.
 * @param metas the inputs as the ONNX file declares them.
 * @param inputs the same as probed.
 * @throws InferError MODEL_MANIFEST when `preprocess` does not fit the model, DECODER_MISSING when the decoder is not installed.
 */
export function planRaw(
  manifest: ModelManifest,
  metas: readonly TensorMeta[],
  inputs: readonly TensorSignature[],
  label: string,
): RawInputs | undefined {
  if (!takesImages(manifest)) return undefined;
  const input = imageInput(manifest, metas, label);
  const probed = inputs.find(({ name }) => name === input.name) as TensorSignature;
  const spec = manifest.preprocess ?? {};
  const crop = finalSize(spec, input, label);
  const shape = rowShape(probed, input, crop, label);
  if (probed.type !== 'float32' && probed.type !== 'float16' && probed.type !== 'uint8') {
    throw manifestError(
      label,
      `field task: input ${probed.name} takes ${probed.type}; an image becomes float32, float16 or uint8`,
    );
  }
  requirePackage('sharp', 'decodes images');
  const channels = channelsOf(input.colors);
  const bytes = probed.type === 'uint8';
  const mean = perColor('mean', spec.mean ?? 0, channels, label);
  const std = perColor('std', spec.std ?? 1, channels, label);
  if (std.includes(0)) throw manifestError(label, 'field preprocess.std: must not be 0, which is divided by');
  const image: ImagePlan = {
    ...resizeOf(spec, input),
    kernel: spec.resample ?? 'bilinear',
    crop,
    rescale: spec.rescale ?? (bytes ? 1 : 1 / 255),
    mean,
    std,
    colors: input.colors,
    layout: input.layout,
  };
  const others = inputs.filter(({ name }) => name !== input.name);
  const from = others.some(({ name }) => name === 'image') ? input.name : 'image';
  const raw: TensorSignature = {
    name: from,
    type: 'string',
    shape: [],
    shared: false,
    role: 'image',
    batchAxis: probed.batchAxis,
    modelShape: [],
    preparedBytes: elementCount(shape) * { float32: 4, float16: 2, uint8: 1 }[probed.type],
  };
  return {
    inputs: [raw, ...others],
    plan: { kind: 'image', from, input: input.name, type: probed.type, shape, image },
  };
}

function imageInput(manifest: ModelManifest, inputs: readonly TensorMeta[], label: string): ImageInput {
  const { preprocess = {} } = manifest;
  const candidates =
    preprocess.input === undefined
      ? inputs.filter(({ name, type }) => type !== 'string' && manifest.inputs?.[name]?.default === undefined)
      : inputs.filter(({ name }) => name === preprocess.input);
  const [meta, other] = candidates;
  const names = inputs.map(({ name }) => name).join(', ');
  if (meta === undefined) {
    const asked = preprocess.input ?? 'none';
    throw manifestError(
      label,
      `field preprocess.input: ${asked} is not an input for images; the model's are ${names}`,
    );
  }
  if (other !== undefined)
    throw manifestError(
      label,
      `field preprocess.input: which of ${names} takes the image?`,
      `write "preprocess": {"input": "${meta.name}"}, and give the others a default`,
    );
  const row = meta.shape.length === 4 ? meta.shape.slice(1) : [];
  const isColor = (dim: number | string | undefined) => dim === 3 || dim === 1;
  const layout =
    preprocess.layout ?? (row.length === 3 && !isColor(row[0]) && isColor(row[2]) ? 'hwc' : 'chw');
  const [channels, height, width] = layout === 'chw' ? row : [row[2], row[0], row[1]];
  return {
    name: meta.name,
    layout,
    colors: preprocess.colors ?? (channels === 1 ? 'gray' : 'rgb'),
    size: typeof height === 'number' && typeof width === 'number' ? { height, width } : undefined,
    hasAxes: row.length === 3,
  };
}

const sizeOf = (size: number | Size): Size =>
  typeof size === 'number' ? { height: size, width: size } : size;

/** The size of the model's input in pixels: the crop, else the size, else the model's own. */
function finalSize({ crop, size }: ImageManifest, input: ImageInput, label: string): Size {
  if (crop !== undefined) return sizeOf(crop);
  if (size !== undefined && (typeof size === 'number' || 'height' in size)) return sizeOf(size);
  if (input.size !== undefined) return input.size;
  throw manifestError(
    label,
    `field preprocess.${size === undefined ? 'size' : 'crop'}: the model leaves the height and width of input ${input.name} open`,
    size === undefined
      ? 'write "preprocess": {"size": 224}, or the size that the model was trained with'
      : 'a shortestEdge keeps proportions, so say what is cut out after that: "crop": 224',
  );
}

/** Images are resized to what the model takes unless they are only cut. */
function resizeOf({ size, crop }: ImageManifest, input: ImageInput): Pick<ImagePlan, 'resize'> {
  if (size === undefined) return crop === undefined && input.size !== undefined ? { resize: input.size } : {};
  if (typeof size !== 'number' && 'shortestEdge' in size) return { resize: size };
  return { resize: sizeOf(size) };
}

/** The row of the model, which the image has to fill: by its axes, or as a flat list of as many elements. */
function rowShape(probed: TensorSignature, input: ImageInput, crop: Size, label: string): number[] {
  const channels = channelsOf(input.colors);
  const { height, width } = crop;
  const axes = input.layout === 'chw' ? [channels, height, width] : [height, width, channels];
  const { shape } = probed;
  const row = shape.length === 4 && shape[0] === 1 ? shape.slice(1) : shape;
  const fits =
    !shape.includes(null) &&
    (row.length === 3 ? row.join() === axes.join() : elementCount(shape as number[]) === elementCount(axes));
  if (fits && !probed.shared) return shape as number[];
  const shown = shape.map((dim) => dim ?? '?').join(',');
  throw manifestError(
    label,
    `field preprocess: an image of ${width}x${height} pixels in ${input.colors} is [${axes.join(',')}], but a row of input ${probed.name} is [${shown}]`,
    'correct size, crop, colors or layout, or fix the open dimensions with inputs.<name>.shape',
  );
}

function perColor(
  field: string,
  value: number | readonly number[],
  channels: number,
  label: string,
): number[] {
  const list = typeof value === 'number' ? new Array<number>(channels).fill(value) : [...value];
  if (list.length === channels) return list;
  throw manifestError(
    label,
    `field preprocess.${field}: ${list.length} numbers for ${channels} ${channels === 1 ? 'colour' : 'colours'}`,
    'give one number for all colours, or one for each',
  );
}

/** @throws InferError DECODER_MISSING when an optional package is not installed: with the command that installs it. */
function requirePackage(name: string, does: string): void {
  try {
    createRequire(import.meta.url).resolve(name);
  } catch (error) {
    throw new InferError('DECODER_MISSING', `the package ${name}, which ${does}, is not installed`, {
      hint: `npm install ${name}`,
      cause: error,
    });
  }
}
