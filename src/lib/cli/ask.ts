import { createInterface } from 'node:readline/promises';
import { printable } from '../core/job.js';

/** Where a user can be asked. */
export interface Asked {
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
}

/**
 * Asks for a yes; an empty answer and Ctrl-D mean no.
 * @throws AbortError when `signal` fires.
 */
export async function askYes(
  question: string,
  { input, output }: Asked,
  signal?: AbortSignal,
): Promise<boolean> {
  // Not in raw mode: Ctrl-C is then a signal, as usual.
  const lines = createInterface({ input, output, terminal: false });
  try {
    // At the end of the input (Ctrl-D) there is no answer, and readline's promise never settles.
    const ended = new Promise<string>((resolve) => {
      lines.once('close', () => resolve(''));
      // A closed terminal gives no answer either.
      input.once('error', () => resolve(''));
    });
    const asked = lines.question(`${printable(question)} [y/N] `, signal === undefined ? {} : { signal });
    const answer = await Promise.race([asked, ended]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
