import { existsSync } from 'node:fs';
import { createRequire, register } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { InferError, messageOf } from '../core/errors.js';
import { quoteWord } from '../core/quote-word.js';
import { packageRoot } from './package-root.js';

/** How often each file was loaded: Node caches a module by its URL forever. */
const loads = new Map<string, number>();

/** Adds its own URL's mark to everything a module imports, so that it is reloaded too; packages are kept. */
const HOOK = `export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  const mark = /[?]loaded=\\d+$/.exec(context.parentURL ?? '')?.[0];
  const own = found.url.startsWith('file:') && !found.url.includes('?') && !found.url.includes('/node_modules/');
  return mark !== undefined && own ? { ...found, url: found.url + mark } : found;
}`;
let hooked = false;

/**
 * Imports a handler's module and all of its own files as they are on disk now. @throws InferError
 * HANDLER_LOAD (exit 78).
 */
export async function importHandler(file: string, label: string): Promise<Record<string, unknown>> {
  const before = loads.get(file) ?? 0;
  loads.set(file, before + 1);
  if (before > 0) refresh(path.dirname(file));
  const address = `${pathToFileURL(file).href}${before === 0 ? '' : `?loaded=${before + 1}`}`;
  try {
    return (await import(address)) as Record<string, unknown>;
  } catch (error) {
    throw explained(file, label, error);
  }
}

/** Clears what Node would not read again. */
function refresh(dir: string): void {
  if (!hooked) register(`data:text/javascript,${encodeURIComponent(HOOK)}`);
  hooked = true;
  const { cache } = createRequire(import.meta.url);
  for (const name of Object.keys(cache))
    if (name.startsWith(`${dir}${path.sep}`) && !name.includes('node_modules')) delete cache[name];
}

const MESSAGE_MAX = 300;
const EXPORTS = 'export function preprocess(row, context) and/or postprocess(outputs, context)';

/** HANDLER_LOAD: why a module cannot be used as a handler. */
export function handlerLoadError(label: string, reason: string, hint = EXPORTS, cause?: unknown): InferError {
  return new InferError(
    'HANDLER_LOAD',
    `handler ${label} cannot be loaded: ${reason.slice(0, MESSAGE_MAX)}`,
    { hint, cause },
  );
}

/** A failed import, naming what is missing, without absolute paths. */
function explained(file: string, label: string, error: unknown): InferError {
  const text = messageOf(error).split('\n', 1)[0] as string;
  const wanted = /Cannot find (?:package|module) '([^']+)'/.exec(text)?.[1];
  if (wanted !== undefined && /MODULE_NOT_FOUND/.test((error as NodeJS.ErrnoException).code ?? '')) {
    if (!/^[./]|^file:/.test(wanted)) {
      const name = wanted.split('/', wanted.startsWith('@') ? 2 : 1).join('/');
      const command = `npm install --prefix ${quoteWord(installDir(file))} ${quoteWord(name)}`;
      return handlerLoadError(
        label,
        `it needs the npm package ${name}, which is not installed`,
        command,
        error,
      );
    }
    const own = path.relative(path.dirname(file), path.resolve(path.dirname(file), wanted));
    return handlerLoadError(
      label,
      `it imports ./${own}, which is not there`,
      'copy the file next to the handler, or write its name with its extension',
      error,
    );
  }
  if (error instanceof SyntaxError)
    return handlerLoadError(label, text, `node --check ${quoteWord(file)} shows the line`, error);
  return handlerLoadError(label, text, EXPORTS, error);
}

/** Where a package must be installed for the handler to find it: the surrounding project, else its model. */
function installDir(file: string): string {
  const own = packageRoot();
  for (let dir = path.dirname(file); path.dirname(dir) !== dir; dir = path.dirname(dir))
    if (dir !== own && existsSync(path.join(dir, 'package.json'))) return dir;
  return path.dirname(file);
}
