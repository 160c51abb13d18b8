import { InferError } from '../../../core/errors.js';

/**
 * Chooses the media type of a response by the `Accept` header: the first one offered if the caller has no
 * preference.
 * @param offered media types, the default first
 * @throws InferError OUTPUT_FORM (406) when none of them is accepted.
 */
export function acceptedForm<Form extends string>(
  accept: string | undefined,
  offered: readonly [Form, ...Form[]],
): Form {
  const ranges = (accept ?? '*/*').split(',').map(readRange);
  let best: { form: Form; quality: number; exact: number } | undefined;
  for (const form of offered) {
    const fits = ranges.filter(({ range }) => covers(range, form)).sort((a, b) => b.exact - a.exact)[0];
    if (fits === undefined || fits.quality === 0) continue;
    const { quality, exact } = fits;
    // A named type goes before a wildcard.
    const better =
      best === undefined || quality > best.quality || (quality === best.quality && exact > best.exact);
    if (better) best = { form, quality, exact };
  }
  if (best !== undefined) return best.form;
  throw new InferError('OUTPUT_FORM', 'the result is not available in any format that Accept names', {
    hint: `accept one of: ${offered.join(', ')}`,
  });
}

function readRange(text: string): { range: string; quality: number; exact: number } {
  const [range = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const weight = parameters.map((part) => /^q=(\d(?:\.\d{0,3})?)$/.exec(part)?.[1]).find(Boolean);
  const exact = range === '*/*' ? 0 : range.endsWith('/*') ? 1 : 2;
  return { range, quality: weight === undefined ? 1 : Math.min(1, Number(weight)), exact };
}

function covers(range: string, form: string): boolean {
  if (range === '*/*' || range === form) return true;
  return range.endsWith('/*') && form.startsWith(range.slice(0, -1));
}
