import { basename, join } from 'node:path';
import { lilconfig } from 'lilconfig';
import { InferError, messageOf } from '../core/errors.js';
import { printable } from '../core/job.js';
import { findDuplicateKey } from '../core/json-keys.js';
import { withoutMark } from '../core/text.js';
import { homeOf } from './home.js';
import { SETTING_NAMES, type SettingName, settingOf } from './settings.js';
import { closestWord } from './suggest.js';

/** A configuration file that was found: its path and its checked content. */
export interface ConfigFile {
  readonly path: string;
  readonly values: Partial<Record<SettingName, unknown>>;
}

const PROJECT_FILES = [
  'infer.config.json',
  'infer.config.mjs',
  'infer.config.js',
  '.inferrc',
  'package.json',
];
const USER_FILES = ['infer.config.json', 'infer.config.mjs', 'infer.config.js', 'config.json'];

export type Environment = Readonly<Record<string, string | undefined>>;

/** The project's file (searched for upwards from `cwd`) and the user's, most important first. */
export async function findConfigFiles(cwd: string, env: Environment, given?: string): Promise<ConfigFile[]> {
  if (given !== undefined) return [await readGiven(given)];
  const home = homeOf(env) ?? '/';
  const userDir = join(env.XDG_CONFIG_HOME || join(home, '.config'), 'infer');
  const found = [await search(PROJECT_FILES, cwd, home), await search(USER_FILES, userDir, userDir)];
  const files = found.filter((file) => file !== undefined);
  return files.filter((file, at) => files.findIndex((other) => other.path === file.path) === at);
}

async function search(places: string[], from: string, stopDir: string): Promise<ConfigFile | undefined> {
  const searchIn = (searchPlaces: string[]) =>
    lilconfig('infer', { searchPlaces, stopDir, cache: false, loaders: LOADERS }).search(from);
  return read(async () => {
    try {
      return await searchIn(places);
    } catch (error) {
      if (error instanceof InferError) throw error;
      // A file that may not be read, or is a directory, is not ours either.
      const { code, path = 'package.json' } = error as NodeJS.ErrnoException;
      if (code === undefined || basename(path) !== 'package.json') throw error;
      return searchIn(places.filter((place) => place !== 'package.json'));
    }
  });
}

async function readGiven(path: string): Promise<ConfigFile> {
  const file = await read(() => lilconfig('infer', { cache: false, loaders: LOADERS }).load(path), path);
  return file ?? { path, values: {} };
}

/** Parses JSON and rejects duplicate fields: otherwise the last would silently win. */
function parseJson(path: string, content: string): unknown {
  const json = withoutMark(content);
  const value = jsonOf(path, json);
  refuseTwice(path, json, value);
  return value;
}

function refuseTwice(path: string, json: string, value: unknown, section?: string): void {
  const twice = findDuplicateKey(json, value, section);
  if (twice !== undefined) throw unreadable(path, new Error(`'${twice.key}' appears twice`));
}

function jsonOf(path: string, json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string | undefined, cause: unknown): InferError {
  const named = path === undefined ? '' : ` ${printable(path)}`;
  return new InferError(
    'CONFIG',
    `the configuration file${named} cannot be read: ${printable(messageOf(cause))}`,
    {
      hint: 'correct the file, or run in another directory',
      cause,
    },
  );
}

/**
 * A package.json usually belongs to another program: errors in it are only reported when it contains settings
 * for infer.
 */
function loadJson(path: string, content: string): unknown {
  if (basename(path) !== 'package.json') return parseJson(path, content);
  try {
    const json = withoutMark(content);
    const value = jsonOf(path, json);
    refuseTwice(path, json, value, 'infer');
    return typeof value === 'object' && value !== null ? value : {};
  } catch (error) {
    if (/"infer"\s*:/.test(content)) throw error;
    return {};
  }
}

const LOADERS = { '.json': loadJson, noExt: parseJson };

type Found = Awaited<ReturnType<ReturnType<typeof lilconfig>['search']>>;

async function read(search: () => Promise<Found>, path?: string): Promise<ConfigFile | undefined> {
  let found: Found;
  try {
    found = await search();
  } catch (error) {
    throw error instanceof InferError ? error : unreadable(path, error);
  }
  if (found === null || found.isEmpty === true) return undefined;
  return { path: found.filepath, values: checkKeys(found.filepath, found.config) };
}

function checkKeys(path: string, config: unknown): Partial<Record<SettingName, unknown>> {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new InferError('CONFIG', `${printable(path)} must hold an object of settings`, {
      hint: 'write { "prefix": "infer" }',
    });
  }
  for (const key of Object.keys(config)) {
    const name = SETTING_NAMES.find((known) => known === key);
    if (name === undefined) throw unknownKey(path, key);
    const setting = settingOf(name);
    if (setting.notInFile === true) {
      throw new InferError('CONFIG', `${printable(path)}: '${key}' cannot be set in a file`, {
        hint: `remove it and set ${setting.env} in the environment`,
      });
    }
  }
  return config as Partial<Record<SettingName, unknown>>;
}

function unknownKey(path: string, key: string): InferError {
  const allowed = SETTING_NAMES.filter((name) => settingOf(name).notInFile !== true);
  const near = closestWord(key, allowed);
  return new InferError('CONFIG', `${printable(path)}: there is no setting '${printable(key)}'`, {
    hint: near === undefined ? `use one of ${allowed.join(', ')}` : `did you mean '${near}'?`,
  });
}
