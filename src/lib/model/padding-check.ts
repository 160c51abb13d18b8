import { messageOf } from '../core/errors.js';
import { bucketOf, type TextPlan } from '../task/text-plan.js';
import { defaultTensor } from './defaults.js';
import { toNumbers } from './elements.js';
import type { TaskPlan } from './task-plan.js';
import { isFloat, type Payload } from './tensor.js';
import type { TextInputs } from './text-inputs.js';
import { idRows, tokenTensors } from './token-rows.js';

/** Tokens of the row that is tried; its own length is not one to which rows are padded. */
const TRIED_TOKENS = 11;
/** How much the results of a row may differ by its padding, absolutely or as a share. */
const TOLERANCE = 1e-4;

/**
 * Runs one row without padding and at two padded lengths. Where its results differ, the model does not ignore padding:
 * the plan is changed so that rows keep their own lengths.
 * @param run the outputs of one row, rows first.
 * @returns notes for people: empty where padding is harmless.
 */
export async function checkPadding(
  text: TextInputs,
  task: TaskPlan,
  run: (payload: Payload) => Promise<Payload>,
): Promise<string[]> {
  const plan = text.plan.text;
  if (plan.lengths !== 'buckets') return [];
  // Behind the raw input: those that are not made of tokens, all with defaults.
  const others = text.inputs.slice(1).map((input) => defaultTensor(input, 1));
  // Shorter than the longest row, or it would not be padded at all.
  const ids = text.tokenizer.sample(TRIED_TOKENS).slice(0, Math.max(1, plan.maxLength - 1));
  const first = bucketOf(ids.length + 1, plan.maxLength);
  const second = bucketOf(first + 1, plan.maxLength);
  const tried = async (lengths: TextPlan['lengths']) => {
    const tensors = tokenTensors({ ...plan, lengths }, idRows([ids]), 1);
    const input: Payload = { rows: 1, tensors: [...tensors, ...others] };
    const raw = await run(input);
    return { raw, result: task.apply(raw, 0, input).outputs };
  };
  try {
    const alone = await tried('own');
    for (const length of [first, second]) {
      const padded = await tried(length);
      const by = Math.max(difference(alone.raw, padded.raw), difference(alone.result, padded.result));
      if (by <= TOLERANCE) continue;
      plan.lengths = 'own';
      return [
        `padding changes results (by ${by.toPrecision(2)} at ${length} instead of ${ids.length} tokens), so texts are not padded: only those of one length share a run`,
      ];
    }
    return [];
  } catch (error) {
    plan.lengths = 'own';
    return [
      `whether padding changes results could not be tried (${messageOf(error)}), so texts are not padded: only those of one length share a run`,
    ];
  }
}

/** The largest difference between floats of the same name and shape; outputs with an element for each token are not compared. */
function difference(a: Payload, b: Payload): number {
  let most = 0;
  for (const one of a.tensors) {
    const other = b.tensors.find(({ name }) => name === one.name);
    if (other === undefined || !isFloat(one.type) || one.shape.join() !== other.shape.join()) continue;
    const x = toNumbers(one.type, one.data) as ArrayLike<number>;
    const y = toNumbers(other.type, other.data) as ArrayLike<number>;
    for (let i = 0; i < x.length; i++) {
      const [left, right] = [x[i] as number, y[i] as number];
      const by = Math.abs(left - right) / Math.max(1, Math.abs(left));
      // NaN at one length only.
      if (!(by <= most) && !(Number.isNaN(left) && Number.isNaN(right)))
        most = Number.isNaN(by) ? Number.POSITIVE_INFINITY : by;
    }
  }
  return most;
}
