import { InferError } from '../core/errors.js';

const RANGE = /^(\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?)?$/;
const MOST_STEPS = 1000;

/**
 * The numbers of `4`, `1:8` (step 1) or `50:500:50`, including the end if a step reaches it.
 * @throws InferError RANGE (2).
 */
export function parseRange(text: string, example: string): number[] {
  const match = RANGE.exec(text.trim());
  if (match === null) throw badRange(`'${text}' is not a range`, example);
  const start = Number(match[1]);
  const end = match[2] === undefined ? start : Number(match[2]);
  const step = match[3] === undefined ? 1 : Number(match[3]);
  if (start <= 0) throw badRange('a range must start above 0', example);
  if (end < start) throw badRange(`'${text}' ends before it starts`, example);
  if (step <= 0) throw badRange('the step of a range must be above 0', example);
  const steps = Math.floor((end - start) / step + 1e-9) + 1;
  if (steps > MOST_STEPS) throw badRange(`'${text}' has ${steps} steps, ${MOST_STEPS} at most`, example);
  return Array.from({ length: steps }, (_, at) => Number((start + at * step).toFixed(6)));
}

/** Integers from `1,2,4` or a range, in order and without repeats. @throws InferError RANGE (2). */
export function parseWholeNumbers(text: string, example: string): number[] {
  const numbers = text.split(',').flatMap((part) => parseRange(part, example));
  const fraction = numbers.find((number) => !Number.isSafeInteger(number));
  if (fraction !== undefined) throw badRange(`${fraction} is not a whole number`, example);
  return [...new Set(numbers)].sort((a, b) => a - b);
}

function badRange(message: string, example: string): InferError {
  return new InferError('RANGE', message, { hint: example });
}
