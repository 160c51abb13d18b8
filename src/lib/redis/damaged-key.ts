import { messageOf, type OwnFailure } from '../core/errors.js';
import { INSTALLATION_KEY_OF } from '../core/key-parts.js';
import { printable } from '../core/printable.js';
import { aKind, installationKey, putAwayCommand } from './installation-keys.js';

/**
 * The meaning of a WRONGTYPE error if the command used keys of the installation; undefined for every other
 * error. A driver's error has the command; only its keys are read, since the rest may contain a payload.
 */
export function damagedKeyFailure(error: unknown): OwnFailure | undefined {
  if (!/\bWRONGTYPE\b/.test(messageOf(error))) return undefined;
  const keys = keysOf((error as { command?: unknown }).command).filter(
    (key) => installationKey(key) !== undefined,
  );
  // Each request has a new record, so it is not the damaged key.
  const likely = keys.filter((key) => !key.includes(`}:${INSTALLATION_KEY_OF.request}:`));
  const [key, ...more] = likely.length === 0 ? keys : likely;
  const facts = key === undefined ? undefined : installationKey(key);
  if (key === undefined || facts === undefined) return undefined;
  const code = 'INSTALLATION_DAMAGED';
  const { kind, effect } = facts;
  if (more.length === 0) {
    const message = `key ${printable(key)} is not ${aKind(kind)}: ${effect}`;
    return { code, message, hint: putAwayCommand(printable(key)) };
  }
  const message = `one of the keys ${[key, ...more].map(printable).join(', ')} has the wrong type: ${effect}`;
  return { code, message, hint: 'infer doctor queue-damage names it' };
}

/** The keys of a command: the first argument, or those that a script declares. */
function keysOf(command: unknown): string[] {
  const { name, args } = (command ?? {}) as { name?: unknown; args?: unknown };
  if (typeof name !== 'string' || !Array.isArray(args)) return [];
  const keys = /^(eval|evalsha|fcall)/i.test(name) ? args.slice(2, 2 + Number(args[1])) : args.slice(0, 1);
  return keys
    .filter((key): key is string | Buffer => typeof key === 'string' || Buffer.isBuffer(key))
    .map(String);
}
