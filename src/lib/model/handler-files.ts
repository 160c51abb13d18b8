import { statSync } from 'node:fs';
import path from 'node:path';
import { CODE } from './fingerprint.js';

const SOURCE = /\.(?:mjs|cjs|js|json)$/;
/** Larger files are data and are not searched for further names. */
const MAX_SOURCE_BYTES = 2 * 2 ** 20;

/**
 * The handler and the files in its model's directory that it names in quotes, directly or through imported
 * modules: `./vocab.mjs`, `new URL('./labels.json', import.meta.url)`, `'vocab.txt'`. Packages and names
 * built at run time are not found. Real paths, the handler first.
 * @param writes files and directories that the handler writes, relative to the model's directory: excluded.
 * @param read text of a file; throws if it cannot be read.
 */
export function handlerFiles(
  modelDir: string,
  handler: string,
  writes: readonly string[],
  read: (file: string) => string,
): string[] {
  const left = writes.map((name) => path.resolve(modelDir, name));
  const isLeft = (file: string) => left.some((one) => file === one || file.startsWith(one + path.sep));
  const found = new Set([handler]);
  for (const file of found) {
    if (!CODE.test(file) || sizeOf(file) > MAX_SOURCE_BYTES) continue;
    for (const name of quotedNames(read(file))) {
      const target = resolveName(path.dirname(file), name) ?? resolveName(modelDir, name);
      if (target !== undefined && isBelow(modelDir, target) && !isLeft(target)) found.add(target);
    }
  }
  return [...found];
}

/** Bytes of a file; 0 if it has just been deleted, which reading it will report. */
function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Quoted words that may be file names. */
function quotedNames(source: string): Set<string> {
  const words = source.matchAll(/(["'`])((?:\.{1,2}\/)*[\w@-][\w@./ -]{0,200})\1/g);
  return new Set(Array.from(words, (match) => match[2] as string));
}

function resolveName(dir: string, name: string): string | undefined {
  const file = path.resolve(dir, name);
  const tries =
    SOURCE.test(file) || /\.\w+$/.test(file) ? [file] : [file, `${file}.js`, `${file}.cjs`, `${file}.json`];
  return tries.find(isFile);
}

/** Whether a file exists; a quoted word may be anything. */
function isFile(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch {
    return false;
  }
}

function isBelow(dir: string, file: string): boolean {
  const relative = path.relative(dir, file);
  if (relative.startsWith('..') || path.isAbsolute(relative)) return false;
  return !relative.split(path.sep).some((part) => part === 'node_modules' || part.startsWith('.'));
}
