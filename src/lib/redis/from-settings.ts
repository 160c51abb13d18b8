import type { LoadedSettings } from '../config/load.js';
import type { ConnectionSettings } from './target.js';

/** Limits of a command that was told how long it may take. */
export interface PatienceMs {
  /** Longest silence of Redis in ms, when that is less than usual. */
  patienceMs?: number | undefined;
}

/** Long enough for a server across a slow link, short enough that a person still looks. */
const CONNECT_TIMEOUT_MS = 5000;

/**
 * How to reach Redis as the settings say.
 * @param autostart whether infer's own server is started when there is no other; not for commands
 * that only look.
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

/** The Redis for results alone (`INFER_RESULT_URL`); undefined when they stay in the broker. */
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
 * A healthy server may need longer than a short `--wait`: Node.js itself is busy for some 50 ms while it loads
 * the client. The wait has its own limit, and that it is over is not that no Redis answers.
 */
const LEAST_PATIENCE_MS = 1000;

function timeouts({ patienceMs = CONNECT_TIMEOUT_MS }: PatienceMs) {
  const ms = Math.min(Math.max(patienceMs, LEAST_PATIENCE_MS), CONNECT_TIMEOUT_MS);
  return { connectTimeoutMs: ms, answerTimeoutMs: ms };
}

const TLS_URL = /^\s*rediss\b/i;

/**
 * The TLS files, which serve both servers. Where only the other one has a TLS address they are for
 * that one; where neither has, they are passed on, and `resolveTarget` says that they are of no use.
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
