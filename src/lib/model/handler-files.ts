import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

const SOURCE = /\.(?:mjs|cjs|js|json)$/;
const CODE = /\.(?:mjs|cjs|js)$/;
/** Larger files are data, and are not searched for further names. */
const MAX_SOURCE_BYTES = 2 * 2 ** 20;

/**
 * The handler and the files of its model's directory that it names in quotes, directly or through
 * modules it imports: `./vocab.mjs`, `new URL('./labels.json', import.meta.url)`, `'vocab.txt'`. Packages
 * and names put together while it runs are not found. Real paths, the handler first.
 */
export function handlerFiles(modelDir: string, handler: string): string[] {
  const found = new Set([handler]);
  for (const file of found) {
    if (!CODE.test(file) || statSync(file).size > MAX_SOURCE_BYTES) continue;
    for (const name of quotedNames(readFileSync(file, 'utf8'))) {
      const target = resolveName(path.dirname(file), name) ?? resolveName(modelDir, name);
      if (target !== undefined && isBelow(modelDir, target)) found.add(target);
    }
  }
  return [...found];
}

/** Quoted words that may be names of files. */
function quotedNames(source: string): Set<string> {
  const words = source.matchAll(/(["'`])((?:\.{1,2}\/)*[\w@-][\w@./ -]{0,200})\1/g);
  return new Set(Array.from(words, (match) => match[2] as string));
}

function resolveName(dir: string, name: string): string | undefined {
  const file = path.resolve(dir, name);
  const tries =
    SOURCE.test(file) || /\.\w+$/.test(file) ? [file] : [file, `${file}.js`, `${file}.cjs`, `${file}.json`];
  return tries.find((one) => existsSync(one) && statSync(one).isFile());
}

function isBelow(dir: string, file: string): boolean {
  const relative = path.relative(dir, file);
  if (relative.startsWith('..') || path.isAbsolute(relative)) return false;
  return !relative.split(path.sep).some((part) => part === 'node_modules' || part.startsWith('.'));
}
