import { Flags, type Interfaces } from '@oclif/core';
import { parseRange, parseWholeNumbers } from '../bench/range.js';

/** Numbers of `4`, `1:8` or `50:500:50`; whole ones also as `1,2,4`. */
export function rangeFlag(options: {
  helpValue: string;
  description: string;
  /** How to write it, for those who wrote it otherwise. */
  example: string;
  whole: boolean;
}): Interfaces.OptionFlag<number[] | undefined> {
  const { helpValue, description, example, whole } = options;
  const flag = Flags.custom<number[]>({
    helpValue,
    description,
    parse: async (input) => (whole ? parseWholeNumbers(input, example) : parseRange(input, example)),
  });
  return flag() as Interfaces.OptionFlag<number[] | undefined>;
}
