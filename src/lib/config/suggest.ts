import { distance } from 'fastest-levenshtein';

/** The option closest to a mistyped word, or undefined when none is close enough. */
export function closestWord(word: string, options: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  // Two swapped letters are a distance of 2, so words of four letters and more may differ that much.
  const limit = wanted.length < 4 ? 1 : Math.max(2, Math.floor(wanted.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const option of options) {
    const candidate = option.toLowerCase();
    const away = candidate.startsWith(wanted) && wanted.length >= 3 ? 1 : distance(wanted, candidate);
    if (away < bestDistance) {
      best = option;
      bestDistance = away;
    }
  }
  return best;
}
