import type { LoadedSettings } from '../config/load.js';
import { InferError } from '../core/errors.js';
import { closeClient, connect, explain, resolveTarget } from '../redis/connect.js';
import { connectionSettings, resultSettings } from '../redis/from-settings.js';
import { masterNodes, type ServerNode } from '../redis/server-config.js';
import type { RedisClient, RedisTarget } from '../redis/types.js';
import { readFacts } from './facts.js';
import { type Provider, providerOf, recogniseService, type Service } from './providers.js';
import type { TuneRole } from './rules.js';
import type { ServerFacts } from './server-facts.js';

/** The Redis to tune, connected and inspected. */
export interface OpenServer {
  client: RedisClient;
  target: RedisTarget;
  /** In the order of `facts.nodes`. */
  servers: ServerNode[];
  facts: ServerFacts;
  /** The provider, if it is a known managed service. */
  provider: Provider | undefined;
}

/**
 * Runs `work` on the Redis of the settings: for `results` the one of INFER_RESULT_URL, unless `--redis` gives
 * another. Starts no server; errors of Redis are made readable.
 * @throws InferError TUNE_ROLE (exit 78) when a server declared to store only results contains queues.
 */
export async function withServer<T>(
  loaded: LoadedSettings,
  role: TuneRole,
  service: Service | undefined,
  work: (open: OpenServer) => Promise<T>,
): Promise<T> {
  const results = role === 'results' && loaded.sources.redisUrl.kind !== 'flag';
  const settings = (results ? resultSettings(loaded) : undefined) ?? connectionSettings(loaded, false);
  const target = await resolveTarget(settings);
  const client = await connect(target, 'command', settings);
  try {
    const servers = masterNodes(client);
    const facts = await readFacts(client, servers, target, loaded.values.prefix);
    if (role === 'results' && (facts.queues ?? []).length > 0) throw holdsQueues(facts);
    const known = service ?? recogniseService(facts.hosts, facts.nodes[0]?.info.raw ?? new Map());
    const provider = known === undefined ? undefined : providerOf(known);
    return await work({ client, target, servers, facts, provider });
  } catch (error) {
    throw explainUnlessOurs(client, error);
  } finally {
    await closeClient(client);
  }
}

function holdsQueues({ label, queues }: ServerFacts): InferError {
  return new InferError(
    'TUNE_ROLE',
    `${label} holds queues (${(queues ?? []).slice(0, 3).join(', ')}): it is a broker, and must drop nothing`,
    {
      hint: 'leave out --role results, or name the Redis of INFER_RESULT_URL with --redis',
    },
  );
}

/** A signal's Interrupted is passed on unchanged; `explain` leaves InferErrors alone. */
function explainUnlessOurs(client: RedisClient, error: unknown): unknown {
  return error instanceof Error && error.name === 'Interrupted' ? error : explain(client, error);
}
