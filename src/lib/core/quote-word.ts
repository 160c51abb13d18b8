/**
 * Characters that a shell leaves unchanged. Not at the start: `~`, which expands to a home directory, and
 * `=`, which zsh expands to the path of a program.
 */
const PLAIN = /^(?![~=])[\w@%+=:,./~-]+$/;

/** Quotes a word of a suggested command if a shell would split or expand it. */
export function quoteWord(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
