/** Flags that say how it is started and what it prints, not what runs. */
const NOT_OWN = ['--detach', '--background', '--json', '--quiet'];

/**
 * The command line of an `infer up`, after `up`, without what says where it runs and how it prints: two that
 * are equal run the same.
 * @param typed its words before `--`
 * @param passedOn those after it, for the gateway
 */
export function ownWords(typed: readonly string[], passedOn: readonly string[]): string[] {
  const own = typed.flatMap(ownWord);
  return passedOn.length === 0 ? own : [...own, '--', ...passedOn];
}

/** A word of the command line as a list: none of it, all of it, or `-dv` without the `d`. */
function ownWord(word: string): string[] {
  if (NOT_OWN.includes(word)) return [];
  const left = word.replace(/^-[dqv]+/, (short) => short.replaceAll(/[dq]/g, ''));
  return left === '-' && word !== '-' ? [] : [left];
}
