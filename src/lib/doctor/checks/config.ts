import { statSync } from 'node:fs';
import { type LoadedSettings, type UnknownVariable, unknownInferVariables } from '../../config/load.js';
import { SETTING_NAMES } from '../../config/settings.js';
import type { InferError } from '../../core/errors.js';
import { parseRedisUrl } from '../../redis/address.js';
import { type Check, fail, type Judgement, ok, several, warn } from '../check.js';

export const configValues: Check = {
  id: 'config-values',
  topic: 'config',
  title: 'settings and files',
  run: ({ problems, loaded }) => judgeSettings(problems, loaded),
};

/** @param problems settings that cannot be read; every other command stops at the first of them. */
export function judgeSettings(
  problems: readonly InferError[],
  { sources, files }: Pick<LoadedSettings, 'sources' | 'files'>,
): Judgement {
  if (problems.length > 0) {
    const { found, details } = several(problems.map((problem) => problem.message));
    return fail(found, problems[0]?.hint, {
      details,
      blocks: ['submit', 'results', 'inspect', 'CPU workers', 'GPU workers'],
    });
  }
  const set = SETTING_NAMES.filter((name) => sources[name].kind !== 'default');
  const lines = set.map((name) => `${name} from ${sources[name].label}`);
  const from = files.length === 0 ? 'no configuration file' : files.join(', ');
  return ok(`${set.length} set, ${from}`, lines);
}

export const configVariables: Check = {
  id: 'config-variables',
  topic: 'config',
  title: 'INFER_* variables',
  run: () => judgeVariables(unknownInferVariables()),
};

export function judgeVariables(unknown: readonly UnknownVariable[]): Judgement {
  if (unknown.length === 0) return ok('all are known');
  const { found, details } = several(
    unknown.map(({ name, suggestion }) =>
      suggestion === undefined
        ? `nothing reads ${name}`
        : `nothing reads ${name}; did you mean ${suggestion}?`,
    ),
  );
  const [first] = unknown;
  const fix =
    first?.suggestion === undefined ? `unset ${first?.name}` : `rename ${first.name} to ${first.suggestion}`;
  return warn(found, fix, { details });
}

export const configSecrets: Check = {
  id: 'config-secrets',
  topic: 'config',
  title: 'passwords and keys',
  run: ({ loaded }) => judgeSecrets(loaded, modeOf),
};

/** @param mode permission bits of a file; undefined when unknown. */
export function judgeSecrets(
  { values, sources }: Pick<LoadedSettings, 'values' | 'sources'>,
  mode: (file: string) => number | undefined,
): Judgement {
  const exposed: { line: string; fix: string }[] = [];
  const open = (file: string): boolean => ((mode(file) ?? 0) & 0o044) !== 0;
  // A certificate alone is not secret; a file used for both contains the key.
  const keyFile = values.redisKeyFile ?? values.redisCertFile;
  for (const file of [values.redisPasswordFile, keyFile]) {
    if (file === undefined || !open(file)) continue;
    exposed.push({ line: `${file} can be read by others`, fix: `chmod 600 ${file}` });
  }
  for (const name of ['redisUrl', 'resultUrl'] as const) {
    const url = values[name];
    if (url === undefined || !holdsPassword(url)) continue;
    const { kind, label } = sources[name];
    if (kind === 'flag') {
      exposed.push({
        line: `the password in ${label} is in the list of processes, for every user of this machine`,
        fix: 'put it in a file and name that in INFER_REDIS_PASSWORD_FILE',
      });
    }
    if (kind === 'file' && open(label)) {
      exposed.push({
        line: `${label} holds a password and can be read by others`,
        fix: `chmod 600 ${label}`,
      });
    }
  }
  if (exposed.length === 0) return ok('none that others can read');
  const { found, details } = several(exposed.map(({ line }) => line));
  return warn(found, exposed[0]?.fix, { details });
}

function holdsPassword(url: string): boolean {
  try {
    return parseRedisUrl(url).password !== undefined;
  } catch {
    return url.includes('@');
  }
}

function modeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mode;
}
