import { Flags, type Interfaces } from '@oclif/core';
import { parseRange, parseWholeNumbers } from '../bench/range.js';

/** Numbers from `4`, `1:8` or `50:500:50`; integers also as `1,2,4`. */
export function rangeFlag(options: {
  helpValue: string;
  description: string;
  /** The correct form, for the error message. */
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
