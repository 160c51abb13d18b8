import type { LoadedSettings } from '../config/load.js';
import type { ConnectionSettings } from './target.js';

/** Long enough for a server across a slow link, short enough that a person still looks. */
const CONNECT_TIMEOUT_MS = 5000;

/**
 * How to reach Redis as the settings say.
 * @param autostart whether infer's own server is started when there is no other; not for commands
 * that only look.
 */
export function connectionSettings(loaded: LoadedSettings, autostart: boolean): ConnectionSettings {
  const { redisUrl, redisPassword, redisPasswordFile, redisCaFile, stateDir } = loaded.values;
  const { kind } = loaded.sources.redisUrl;
  return {
    ...(redisUrl === undefined ? {} : { url: redisUrl }),
    ...(redisPassword === undefined ? {} : { password: redisPassword }),
    ...(kind === 'default' ? {} : { source: kind }),
    ...(redisPasswordFile === undefined ? {} : { passwordFile: redisPasswordFile }),
    ...(redisCaFile === undefined ? {} : { tlsCaFile: redisCaFile }),
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    stateDir,
    autostart,
    ...(loaded.kubernetes ? { inContainer: true } : {}),
  };
}

/** The Redis for results alone (`INFER_RESULT_URL`); undefined when they stay in the broker. */
export function resultSettings(loaded: LoadedSettings): ConnectionSettings | undefined {
  const { resultUrl, redisCaFile, stateDir } = loaded.values;
  if (resultUrl === undefined) return undefined;
  const { kind } = loaded.sources.resultUrl;
  return {
    url: resultUrl,
    ...(kind === 'default' ? {} : { source: kind }),
    ...(redisCaFile === undefined ? {} : { tlsCaFile: redisCaFile }),
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    stateDir,
    autostart: false,
  };
}
