import { boolean } from './rules.js';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `INFER_DEBUG` alone, for failures that come before or from the loading of settings. A file of its own:
 * every start needs it, and the table of settings not.
 */
export function debugWanted(env: Environment = process.env): boolean {
  return boolean().read(env.INFER_DEBUG) === true;
}
