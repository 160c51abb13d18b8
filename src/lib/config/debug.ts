import { boolean } from './rules.js';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `INFER_DEBUG` alone, for failures before or during the loading of settings. In its own file, because every
 * start needs it, but not the table of settings.
 */
export function debugWanted(env: Environment = process.env): boolean {
  return boolean().read(env.INFER_DEBUG) === true;
}
