/**
 * What a shell leaves as it is. Not in front: `~`, which is a home directory there, and `=`, which is the path
 * of a program to zsh.
 */
const PLAIN = /^(?![~=])[\w@%+=:,./~-]+$/;

/** A word of a suggested command as a shell must see it: quoted where it would be split or expanded. */
export function quoteWord(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
