import type { ImagePlan } from './image-plan.js';

/** How raw rows become rows of one of the model's inputs: everything that the preparing process needs. JSON-safe. */
export interface PreparePlan {
  kind: 'image';
  /** The raw input: its name in a job. */
  from: string;
  /** The model's input, and the type and shape of a row of it. */
  input: string;
  type: 'float32' | 'float16' | 'uint8';
  shape: number[];
  image: ImagePlan;
}
