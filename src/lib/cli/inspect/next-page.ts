import { withoutCredentials } from '../../core/credentials.js';
import { quoteWord } from '../../core/quote-word.js';

/** The command as typed, for the next page; without the password of an address in it. */
export function nextPageCommand(command: string, argv: readonly string[], cursor: string): string {
  const words: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string;
    if (word === '--cursor') at += 1;
    else if (!word.startsWith('--cursor=')) words.push(word);
  }
  return ['infer', ...command.split(':'), ...words, '--cursor', cursor]
    .map(withoutCredentials)
    .map(quoteWord)
    .join(' ');
}
