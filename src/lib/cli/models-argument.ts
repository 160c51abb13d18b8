import { Args } from '@oclif/core';
import { InferError } from '../core/errors.js';
import { printable } from '../core/printable.js';

/** The models of a command, as its argument: the same as `--models`. */
export function modelsArgument() {
  return Args.string({
    description: 'a .onnx file, the directory of one model, or a directory of models; the same as --models',
  });
}

/**
 * The flags of a command, with its argument `models` as `--models`.
 * @throws InferError USAGE (exit 2) if both are given.
 */
export function withModels(
  flags: Record<string, unknown>,
  args: Record<string, unknown>,
): Record<string, unknown> {
  const { models } = args;
  if (typeof models !== 'string') return flags;
  if (flags.models === undefined) return { ...flags, models };
  throw new InferError('USAGE', `both ${printable(models)} and --models say where the models are`, {
    hint: 'leave one of them out',
  });
}
