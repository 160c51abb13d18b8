import { Redis, type RedisOptions } from 'ioredis';
import { messageOf } from '../core/errors.js';
import { shareFailoverWatch } from './failover-watch.js';
import { followingConnector } from './following-connector.js';
import { parseInfo } from './info.js';

/**
 * A client of the master named by sentinels, which follows it through failovers. It listens to the sentinels
 * over one connection to each, shared by all such clients of the process.
 */
export function sentinelClient(options: RedisOptions): Redis {
  const { sentinels, name, sentinelUsername, sentinelPassword, sentinelTLS, connectTimeout } = options;
  const { watch, release } = shareFailoverWatch({
    master: name ?? '',
    endpoints: (sentinels ?? []).map(({ host = '127.0.0.1', port = 26379 }) => ({ host, port })),
    options: {
      ...(connectTimeout === undefined ? {} : { connectTimeout }),
      ...(sentinelUsername === undefined ? {} : { username: sentinelUsername }),
      ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
      ...(sentinelTLS === undefined ? {} : { tls: sentinelTLS }),
    },
  });
  const { connector, end } = followingConnector(watch);
  // `as object`: the library's generic constructor types do not take exactOptionalPropertyTypes.
  const client = new Redis({ ...options, Connector: connector } as object);
  client.once('end', () => {
    end();
    release();
  });
  return client;
}

/**
 * Sentinels may report a server that is no longer the master, or not yet. For later connections, the library
 * makes this check itself.
 * @throws as a write there does: READONLY
 */
export async function checkLeads(client: Redis): Promise<void> {
  const text = await client.info('replication').catch((error: unknown) => {
    // Without the right to ask, the first write will tell.
    if (!/^NOPERM/.test(messageOf(error))) throw error;
    return '';
  });
  if (parseInfo(text).role === 'replica') throw new Error('READONLY You are connected to a replica');
}
