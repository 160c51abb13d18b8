import { accessSync, constants } from 'node:fs';
import { basename, isAbsolute, join, relative, sep } from 'node:path';
import { quoteWord } from '../core/quote-word.js';
import { packageRoot } from '../model/package-root.js';

/** How the user can call infer and refer to its files from the current directory. */
export interface Invocation {
  infer: string;
  oneDigit: string;
}

/** `infer` if it is installed; in a clone the path of bin/run.js, which needs no installation. */
export function invocation(script: string | undefined = process.argv[1], cwd = process.cwd()): Invocation {
  const root = packageRoot();
  return { infer: callOf(script, root, cwd), oneDigit: near(join(root, 'examples', 'one-digit.json'), cwd) };
}

function callOf(script: string | undefined, root: string, cwd: string): string {
  if (script !== undefined && basename(script).replace(/\.cmd$/, '') === 'infer') {
    return script.includes(`${sep}node_modules${sep}.bin${sep}`) ? 'npx infer' : 'infer';
  }
  const run = join(root, 'bin', 'run.js');
  const path = near(run, cwd);
  try {
    accessSync(run, constants.X_OK);
    return isAbsolute(path) || path.startsWith('..') ? path : `.${sep}${path}`;
  } catch {
    return `node ${path}`;
  }
}

/** Relative if the file is below, else absolute; quoted if a shell would split it. */
function near(file: string, cwd: string): string {
  const path = relative(cwd, file);
  return quoteWord(path.startsWith('..') ? file : path);
}
