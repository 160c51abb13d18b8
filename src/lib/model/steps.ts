import { type Dirent, readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { refuseSpecial, SpecialFile, specialKind } from './unreadable.js';

/** What a reading asks of the file system. */
type Ask = { list: string } | { text: string };

/**
 * A reading of files, written once and run in either way: at once by a command, or without blocking by a
 * server, which must not wait for a disk. Errors of the file system are thrown where the reading asked.
 */
export type Steps<T> = Generator<Ask, T, unknown>;

/** The entries of a directory, sorted by name. */
export function* listed(dir: string): Steps<Dirent[]> {
  const entries = (yield { list: dir }) as Dirent[];
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The text of a file, as UTF-8. */
export function* textOf(file: string): Steps<string> {
  return (yield { text: file }) as string;
}

/** Runs a reading at once. */
export function now<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (step.done !== true) {
    let found: unknown;
    try {
      found = answer(step.value);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(found);
  }
  return step.value;
}

/** Runs a reading without blocking. */
export async function later<T>(steps: Steps<T>): Promise<T> {
  let step = steps.next();
  while (step.done !== true) {
    let found: unknown;
    try {
      found = await answerLater(step.value);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(found);
  }
  return step.value;
}

function answer(ask: Ask): unknown {
  if ('list' in ask) return readdirSync(ask.list, { withFileTypes: true });
  refuseSpecial(ask.text);
  return readFileSync(ask.text, 'utf8');
}

async function answerLater(ask: Ask): Promise<unknown> {
  if ('list' in ask) return readdir(ask.list, { withFileTypes: true });
  const kind = specialKind(await stat(ask.text));
  if (kind !== undefined) throw new SpecialFile(kind);
  return readFile(ask.text, 'utf8');
}
