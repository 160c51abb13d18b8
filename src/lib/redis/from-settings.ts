import type { LoadedSettings } from '../config/load.js';
import type { ConnectionSettings } from './target.js';

/** Limits for a command with a time limit of its own. */
export interface PatienceMs {
  /** Longest silence of Redis in ms, if shorter than usual. */
  patienceMs?: number | undefined;
}

/** Long enough for a server across a slow link, short enough that the user is still watching. */
const CONNECT_TIMEOUT_MS = 5000;

/**
 * The connection settings for Redis.
 * @param autostart whether infer's own server is started if no other is found; not for read-only commands.
 */
export function connectionSettings(
  loaded: LoadedSettings,
  autostart: boolean,
  patience: PatienceMs = {},
): ConnectionSettings {
  const { redisUrl, redisPassword, redisPasswordFile, stateDir } = loaded.values;
  const { kind } = loaded.sources.redisUrl;
  return {
    ...(redisUrl === undefined ? {} : { url: redisUrl }),
    ...(redisPassword === undefined ? {} : { password: redisPassword }),
    ...(kind === 'default' ? {} : { source: kind }),
    ...(redisPasswordFile === undefined ? {} : { passwordFile: redisPasswordFile }),
    ...tlsSettings(loaded, 'redisUrl'),
    ...timeouts(patience),
    stateDir,
    autostart,
    ...(loaded.kubernetes ? { inContainer: true } : {}),
  };
}

/** The separate Redis for results (`INFER_RESULT_URL`); undefined when results stay in the broker. */
export function resultSettings(
  loaded: LoadedSettings,
  patience: PatienceMs = {},
): ConnectionSettings | undefined {
  const { resultUrl, stateDir } = loaded.values;
  if (resultUrl === undefined) return undefined;
  const { kind } = loaded.sources.resultUrl;
  return {
    url: resultUrl,
    ...(kind === 'default' ? {} : { source: kind }),
    ...tlsSettings(loaded, 'resultUrl'),
    ...timeouts(patience),
    stateDir,
    autostart: false,
  };
}

/**
 * A healthy server may need longer than a short `--wait`: Node.js itself takes some 50 ms to load the client.
 * The wait has its own limit, and reaching it does not mean that Redis is unreachable.
 */
const LEAST_PATIENCE_MS = 1000;

function timeouts({ patienceMs = CONNECT_TIMEOUT_MS }: PatienceMs) {
  const ms = Math.min(Math.max(patienceMs, LEAST_PATIENCE_MS), CONNECT_TIMEOUT_MS);
  return { connectTimeoutMs: ms, answerTimeoutMs: ms };
}

const TLS_URL = /^\s*rediss\b/i;

/**
 * The TLS files, used for both servers. If only the other server has a TLS address, they apply to that one;
 * if neither has, they are passed on, and `resolveTarget` reports that they have no effect.
 */
function tlsSettings(loaded: LoadedSettings, url: 'redisUrl' | 'resultUrl'): Partial<ConnectionSettings> {
  const { values } = loaded;
  const { redisCaFile, redisCertFile, redisKeyFile, redisKeyPassword } = values;
  const other = values[url === 'redisUrl' ? 'resultUrl' : 'redisUrl'] ?? '';
  if (!TLS_URL.test(values[url] ?? '') && TLS_URL.test(other)) return {};
  return {
    ...(redisCaFile === undefined ? {} : { tlsCaFile: redisCaFile }),
    ...(redisCertFile === undefined ? {} : { tlsCertFile: redisCertFile }),
    ...(redisKeyFile === undefined ? {} : { tlsKeyFile: redisKeyFile }),
    ...(redisKeyPassword === undefined ? {} : { tlsKeyPassword: redisKeyPassword }),
  };
}
