import type { ImagePlan } from './image-plan.js';
import type { TextPlan } from './text-plan.js';

/** How raw rows become rows of the model's inputs: everything that the preparing process needs. JSON-safe. */
export type PreparePlan = ImagePrepare | TextPrepare;

export interface ImagePrepare {
  kind: 'image';
  /** The raw input: its name in a job. */
  from: string;
  /** The model's input, and the type and shape of a row of it. */
  input: string;
  type: 'float32' | 'float16' | 'uint8';
  shape: number[];
  image: ImagePlan;
}

export interface TextPrepare {
  kind: 'text';
  /** The raw input: its name in a job. */
  from: string;
  text: TextPlan;
}
