import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EmbeddedPaths, embeddedPaths, preparePrivateDirs } from './embedded-files.js';

/** Additional settings with which infer's own server is started: a file in its directory. */
const fileOf = (paths: EmbeddedPaths): string => join(paths.dir, 'settings.json');

/** Where it listens and keeps its files cannot be tuned: a wrong value would lose its data or expose it. */
const FIXED = new Set([
  'port',
  'bind',
  'unixsocket',
  'unixsocketperm',
  'dir',
  'pidfile',
  'logfile',
  'daemonize',
]);
const NAME = /^[a-z][a-z0-9-]*$/;

/** Settings kept for the next start, by name; none when the file is missing or invalid. */
export function keptSettings(paths: EmbeddedPaths): Record<string, string> {
  let kept: unknown;
  try {
    kept = JSON.parse(readFileSync(fileOf(paths), 'utf8'));
  } catch {
    return {};
  }
  if (typeof kept !== 'object' || kept === null) return {};
  return Object.fromEntries(
    Object.entries(kept).filter(
      ([name, value]) => NAME.test(name) && !FIXED.has(name) && typeof value === 'string',
    ),
  );
}

/** Keeps settings for every later start of infer's own server; returns the file's path. */
export function keepSettings(stateDir: string, settings: Readonly<Record<string, string>>): string {
  const paths = embeddedPaths(stateDir);
  preparePrivateDirs(paths);
  const file = fileOf(paths);
  const all = { ...keptSettings(paths), ...settings };
  writeFileSync(`${file}.new`, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return file;
}
