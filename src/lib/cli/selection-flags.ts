import { Flags } from '@oclif/core';
import type { SubmitOptions } from '../client/types.js';
import { topKFrom } from '../model/top-k-text.js';
import { SEVERAL } from './flags.js';

export interface SelectionFlags {
  outputs?: string[] | undefined;
  'top-k'?: string[] | undefined;
  argmax?: string[] | undefined;
}

/** Which outputs of a model a result has. */
export function selectionFlags() {
  return {
    outputs: Flags.string({
      ...SEVERAL,
      helpValue: '<names>',
      description: 'only these outputs; * is all of them as the model gives them',
    }),
    'top-k': Flags.string({
      ...SEVERAL,
      helpValue: '<k>',
      description: 'the k highest scores with indexes and labels: 5, or logits=5 for an output',
    }),
    argmax: Flags.string({
      ...SEVERAL,
      helpValue: '<names>',
      description: 'only the index of the highest score of these outputs',
    }),
  };
}

/** What was typed for them, for a client. @throws InferError OUTPUT_SELECTION (2). */
export function selectionOptions(flags: SelectionFlags): Pick<SubmitOptions, 'outputs' | 'topK' | 'argmax'> {
  const { outputs, 'top-k': topK, argmax } = flags;
  return { outputs, topK: topK && topKFrom(topK), argmax };
}
