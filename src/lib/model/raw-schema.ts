import { z } from 'zod';
import { COLORS, LAYOUTS } from '../task/image-plan.js';
import { KERNELS } from '../task/resample.js';

/** Pixels along one side: more than any model takes, and less than what memory could be exhausted with. */
const pixels = z.number().int().positive().max(8192);
const size = z.union([pixels, z.strictObject({ height: pixels, width: pixels })]);
const finite = z.number();
const perColor = z.union([finite, z.array(finite).min(1).max(3)]);

/** How an image becomes an input: `preprocess` of model.json. */
export const imageSchema = z.strictObject({
  /** The input that takes the image; the only one by default. */
  input: z.string().min(1).optional(),
  /** Both sides, or the shorter one: the image keeps its proportions then. */
  size: z.union([size, z.strictObject({ shortestEdge: pixels })]).optional(),
  resample: z.enum(KERNELS).optional(),
  /** What is cut out of the middle after that. */
  crop: size.optional(),
  /** Factor for the levels 0..255. */
  rescale: finite.optional(),
  /** Subtracted after that, one number or one for each colour. */
  mean: perColor.optional(),
  /** Divided by after that. */
  std: perColor.optional(),
  colors: z.enum(COLORS).optional(),
  layout: z.enum(LAYOUTS).optional(),
});

export type ImageManifest = z.infer<typeof imageSchema>;

/** How a text becomes tokens: `tokenizer` of model.json. */
export const tokenizerSchema = z.strictObject({
  /** Most tokens of a row, special ones included. */
  maxLength: z.number().int().min(3).max(1_000_000).optional(),
  /** Longer texts are cut [yes]; otherwise their rows fail. */
  truncate: z.boolean().optional(),
});

/** The mean of the tokens' vectors, the first or the last one. */
export const POOLINGS = ['mean', 'cls', 'last'] as const;
export type Pooling = (typeof POOLINGS)[number];
