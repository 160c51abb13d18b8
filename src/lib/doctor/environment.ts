import { readFileSync } from 'node:fs';
import { homedir, release } from 'node:os';
import type { LoadedSettings } from '../config/load.js';
import { SETTING_NAMES, settingOf } from '../config/settings.js';
import { withoutCredentials } from '../core/credentials.js';
import { onnxFiles } from '../model/onnx-files.js';
import { maskUrl, parseRedisUrl } from '../redis/address.js';
import type { DoctorContext } from './context.js';

/** What a bug report needs to know about a machine; contains no secrets. */
export interface Environment {
  versions: { name: string; value: string }[];
  /** Settings in the order of the table; URLs without credentials, passwords as `(hidden)`. */
  settings: { name: string; value: string; source: string }[];
}

/** Versions and settings. Sends Redis nothing beyond the checks' commands. */
export async function describeEnvironment(context: DoctorContext): Promise<Environment> {
  const { loaded, container, version } = context;
  return {
    versions: [
      { name: 'infer', value: version },
      { name: 'Node.js', value: process.versions.node },
      { name: 'system', value: `${process.platform}/${process.arch} ${release()}` },
      { name: 'container', value: container ?? 'none' },
      { name: 'onnxruntime-node', value: onnxVersion() },
      { name: 'Redis', value: await redisVersion(context) },
    ],
    settings: SETTING_NAMES.map((name) => ({
      name,
      value: shownValue(name, loaded),
      source: loaded.sources[name].label,
    })).filter(({ value }) => value !== ''),
  };
}

function onnxVersion(): string {
  try {
    return onnxFiles().version;
  } catch {
    return 'not installed';
  }
}

async function redisVersion(context: DoctorContext): Promise<string> {
  try {
    const [{ flavour, version, mode }, { target }] = await Promise.all([context.facts(), context.redis()]);
    return `${flavour} ${version} (${mode}, address from ${target.source})`;
  } catch {
    return 'not reached';
  }
}

function shownValue(name: (typeof SETTING_NAMES)[number], { values }: LoadedSettings): string {
  const value = values[name];
  if (value === undefined) return '';
  if (settingOf(name).secret === true) return '(hidden)';
  return name === 'redisUrl' || name === 'resultUrl' ? maskUrl(String(value)) : String(value);
}

/**
 * Removes what must not leave the machine from any text: the passwords in use, credentials in URLs, and the
 * name of the home directory.
 */
export function masker({ values }: LoadedSettings, home: string = homedir()): (text: string) => string {
  const secrets = [
    values.redisPassword,
    values.redisKeyPassword,
    passwordIn(values.redisUrl),
    passwordIn(values.resultUrl),
    firstLine(values.redisPasswordFile),
  ].filter((secret): secret is string => secret !== undefined && secret !== '');
  const forms = [...new Set(secrets.flatMap((secret) => [secret, encodeURIComponent(secret)]))];
  return (text) => {
    let masked = withoutCredentials(text);
    for (const secret of forms) masked = masked.replaceAll(secret, '***');
    return home.length > 1 ? masked.replaceAll(home, '~') : masked;
  };
}

function passwordIn(url: string | undefined): string | undefined {
  try {
    return url === undefined ? undefined : parseRedisUrl(url).password;
  } catch {
    // A URL that cannot be parsed is left to maskUrl.
    return undefined;
  }
}

function firstLine(file: string | undefined): string | undefined {
  try {
    return file === undefined ? undefined : readFileSync(file, 'utf8').split(/\r?\n/)[0];
  } catch {
    return undefined;
  }
}
