import { InferError } from '../core/errors.js';
import { printable } from '../core/printable.js';

/**
 * Reads what was typed for topK: `5`, or `logits=5` for each output.
 * @throws InferError OUTPUT_SELECTION (2)
 */
export function topKFrom(words: readonly string[]): number | Record<string, number> {
  const [first] = words;
  if (words.length === 1 && first !== undefined && COUNT.test(first)) return Number(first);
  const found: Record<string, number> = {};
  for (const word of words) {
    // The last one: names of outputs may contain it.
    const at = word.lastIndexOf('=');
    const [name, k] = [word.slice(0, at), word.slice(at + 1)];
    if (at < 1 || !COUNT.test(k) || Object.hasOwn(found, name)) throw notTopK(word);
    Object.defineProperty(found, name, { value: Number(k), enumerable: true });
  }
  return found;
}

const COUNT = /^\d{1,9}$/;

function notTopK(word: string): InferError {
  return new InferError('OUTPUT_SELECTION', `'${printable(word)}' is not a number of scores`, {
    hint: 'write 5, or logits=5 for an output, each output once',
  });
}
