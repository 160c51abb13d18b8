import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { currentDir } from '../core/current-dir.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { type ConfigFile, type Environment, findConfigFiles } from './files.js';
import { defaultStateDir, homeOf } from './home.js';
import { SETTING_NAMES, type SettingName, type Settings, settingOf } from './settings.js';
import { closestWord } from './suggest.js';

export type SourceKind = 'flag' | 'env' | 'file' | 'default';

/** The source of a value: `--redis`, `INFER_REDIS_URL`, the path of a file, or `default`. */
export interface Source {
  readonly kind: SourceKind;
  readonly label: string;
}

/** What the environment says about the terminal. */
export interface TerminalFacts {
  readonly ci: boolean;
  readonly dumb: boolean;
}

export interface LoadedSettings {
  readonly values: Settings;
  readonly sources: Readonly<Record<SettingName, Source>>;
  readonly files: readonly string[];
  readonly terminal: TerminalFacts;
  /** Kubernetes sets a variable in its containers; other systems leave a file, see redis/errors. */
  readonly kubernetes: boolean;
}

export interface LoadOptions {
  /** Values given as flags, by setting name, as typed. */
  flags?: Partial<Record<SettingName, unknown>>;
  env?: Environment;
  cwd?: string;
  /** Root of the installed package: its `models/` is used when the current directory has none. */
  packageRoot?: string;
}

const DEFAULT_SOURCE: Source = { kind: 'default', label: 'default' };

/**
 * Every setting from flags, else the environment, else the project's file, else the user's file, else its
 * default. The only reader of `process.env`. `.env` files are not read: a stray one must not determine the
 * server used by a command.
 *
 * @throws InferError CONFIG (exit 78), or USAGE (exit 2) when the bad value came from a flag.
 */
export function loadSettings(options: LoadOptions = {}): Promise<LoadedSettings> {
  return collect(options, (error) => {
    throw error;
  });
}

/**
 * The same for invalid settings: returns every bad value and file, with the settings as they would be without
 * it. For commands that must run in order to report them.
 *
 * @throws InferError USAGE (exit 2) for a bad flag, as always.
 */
export async function surveySettings(
  options: LoadOptions = {},
): Promise<{ loaded: LoadedSettings; problems: InferError[] }> {
  const problems: InferError[] = [];
  const loaded = await collect(options, (error) => {
    if (error.code !== 'CONFIG') throw error;
    problems.push(error);
  });
  return { loaded, problems };
}

/** Called for values and files that cannot be read; if it returns, loading continues without them. */
type OnBad = (error: InferError) => void;

async function collect(options: LoadOptions, onBad: OnBad): Promise<LoadedSettings> {
  const env = options.env ?? process.env;
  const cwd = options.cwd ?? currentDir();
  const flags = options.flags ?? {};
  const configFile = pick('configFile', { flags, env, files: [], cwd, onBad }).value as string | undefined;
  let files: ConfigFile[] = [];
  try {
    files = await findConfigFiles(cwd, env, configFile);
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    onBad(error);
  }
  const values: Partial<Record<SettingName, unknown>> = {};
  const sources: Partial<Record<SettingName, Source>> = {};
  for (const name of SETTING_NAMES) {
    const picked = pick(name, { flags, env, files, cwd, onBad });
    values[name] =
      picked.source.kind === 'default' ? defaultOf(name, env, cwd, options.packageRoot) : picked.value;
    sources[name] = picked.source;
  }
  // https://no-color.org: set and not empty, whatever the value.
  if (values.noColor === false && (env.NO_COLOR ?? '') !== '' && sources.noColor?.kind === 'default') {
    values.noColor = true;
    sources.noColor = { kind: 'env', label: 'NO_COLOR' };
  }
  return Object.freeze({
    values: Object.freeze(values as Settings),
    sources: Object.freeze(sources as Record<SettingName, Source>),
    files: Object.freeze(files.map((file) => file.path)),
    terminal: Object.freeze({ ci: isCi(env), dumb: env.TERM === 'dumb' }),
    kubernetes: (env.KUBERNETES_SERVICE_HOST ?? '') !== '',
  });
}

function isCi(env: Environment): boolean {
  return (env.CI ?? '') !== '' && env.CI !== '0' && env.CI !== 'false';
}

interface Picked {
  value: unknown;
  source: Source;
}

interface Origins {
  flags: Partial<Record<SettingName, unknown>>;
  env: Environment;
  files: readonly ConfigFile[];
  cwd: string;
  onBad: OnBad;
}

/** The first source with a readable value. */
function pick(name: SettingName, origins: Origins): Picked {
  for (const { raw, source, base } of given(name, origins)) {
    const value = settingOf(name).rule.read(raw);
    if (value === undefined) origins.onBad(badValue(name, raw, source));
    else return { value: finished(name, value, base, origins.env), source };
  }
  return { value: undefined, source: DEFAULT_SOURCE };
}

interface Given {
  raw: unknown;
  source: Source;
  /** Base directory of a relative path. */
  base: string;
}

function* given(name: SettingName, { flags, env, files, cwd }: Origins): Generator<Given> {
  const setting = settingOf(name);
  if (flags[name] !== undefined) {
    yield { raw: flags[name], source: { kind: 'flag', label: `--${setting.flag ?? name}` }, base: cwd };
  }
  const variable = env[setting.env];
  // An empty variable counts as unset: compose files and shells unset variables that way.
  if (variable !== undefined && variable.trim() !== '') {
    yield { raw: variable, source: { kind: 'env', label: setting.env }, base: cwd };
  }
  for (const file of files) {
    const raw = file.values[name];
    if (raw !== undefined) {
      yield { raw, source: { kind: 'file', label: file.path }, base: dirname(file.path) };
    }
  }
}

function finished(name: SettingName, value: unknown, base: string, env: Environment): unknown {
  if (settingOf(name).path === true) return resolvePath(value as string, base, env);
  return Array.isArray(value) ? Object.freeze(value) : value;
}

function resolvePath(path: string, base: string, env: Environment): string {
  if (path !== '~' && !path.startsWith('~/')) return resolve(base, path);
  return join(homeOf(env) ?? '/', path.slice(1));
}

function badValue(name: SettingName, raw: unknown, source: Source): InferError {
  const setting = settingOf(name);
  const where = source.kind === 'file' ? `${printable(source.label)}: '${name}'` : source.label;
  // A URL may contain a password even when malformed, so it is never printed.
  const hidden = setting.secret === true || name === 'redisUrl' || name === 'resultUrl';
  const shown = hidden ? '' : ` '${printable(shorten(raw))}'`;
  const options = setting.rule.options;
  const wrong = setting.rule.wrong?.(raw);
  const wanted =
    options === undefined
      ? (wrong?.example ?? setting.rule.example)
      : (closestWord(String(raw), options) ??
        (setting.default as string | undefined) ??
        setting.rule.example);
  const fix =
    source.kind === 'flag'
      ? `${source.label} ${wanted}`
      : source.kind === 'env'
        ? `${source.label}=${wanted}`
        : `"${name}": ${JSON.stringify(wanted)} in ${printable(source.label)}`;
  return new InferError(
    source.kind === 'flag' ? 'USAGE' : 'CONFIG',
    `${where}: ${wrong?.message ?? `the value${shown} is not ${setting.rule.text}`}`,
    { hint: fix },
  );
}

function shorten(raw: unknown): string {
  const text = typeof raw === 'string' ? raw : (JSON.stringify(raw) ?? String(raw));
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

function defaultOf(
  name: SettingName,
  env: Environment,
  cwd: string,
  packageRoot: string | undefined,
): unknown {
  if (name === 'stateDir') {
    return defaultStateDir(env);
  }
  if (name === 'modelsDir') {
    const own = join(cwd, 'models');
    const bundled = packageRoot === undefined ? undefined : join(packageRoot, 'models');
    return bundled !== undefined && !existsSync(own) && existsSync(bundled) ? bundled : own;
  }
  return settingOf(name).default;
}

/** Variables with our prefix that oclif itself reads. */
const OCLIF_VARIABLES =
  /^INFER_(?:REDIRECTED|CONTENT_TYPE|THEME_FILE|DISABLE_THEME|SKIP_\w+|NPM_\w+|USER_AGENT)$/;

export interface UnknownVariable {
  name: string;
  suggestion?: string;
}

/** `INFER_*` variables that nothing reads: usually a typo with no effect. */
export function unknownInferVariables(env: Environment = process.env): UnknownVariable[] {
  const known = new Set<string>(SETTING_NAMES.map((name) => settingOf(name).env));
  return Object.keys(env)
    .filter((name) => name.startsWith('INFER_') && !known.has(name) && !OCLIF_VARIABLES.test(name))
    .sort()
    .map((name) => {
      const suggestion = closestWord(name, known);
      return suggestion === undefined ? { name } : { name, suggestion };
    });
}
