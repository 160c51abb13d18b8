import type { SettingChange } from '../redis/server-config.js';

export const SERVICES = [
  'elasticache',
  'elasticache-serverless',
  'memorydb',
  'memorystore',
  'memorystore-cluster',
  'azure-cache',
  'azure-managed',
  'upstash',
  'redis-cloud',
  'aiven',
  'digitalocean',
  'heroku',
  'render',
  'dragonfly',
] as const;

/** A managed Redis whose settings are changed with its provider's own tool. */
export type Service = (typeof SERVICES)[number];

/** How a provider lets settings be changed. `set` returns the lines to type; none when it is impossible. */
export interface Provider {
  service: Service;
  name: string;
  /** What to know first. */
  notes: string[];
  set(changes: readonly Pick<SettingChange, 'name' | 'to'>[]): string[];
}

/** Host names of the services; those without a domain of their own (private addresses) are not listed. */
const HOSTS: readonly (readonly [RegExp, Service])[] = [
  [/\.serverless\.[a-z0-9]+\.cache\.amazonaws\.com(\.cn)?$/, 'elasticache-serverless'],
  [/\.memorydb\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/, 'memorydb'],
  [/\.cache\.amazonaws\.com(\.cn)?$/, 'elasticache'],
  [/\.redis\.cache\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)$/, 'azure-cache'],
  [/\.(redis\.azure\.net|redisenterprise\.cache\.azure\.net)$/, 'azure-managed'],
  [/\.upstash\.io$/, 'upstash'],
  [/\.(redislabs\.com|redis-cloud\.com|rlrcp\.com)$/, 'redis-cloud'],
  [/\.aivencloud\.com$/, 'aiven'],
  [/\.db\.ondigitalocean\.com$/, 'digitalocean'],
  [/\.render\.com$/, 'render'],
];

/**
 * Which service runs a Redis: by its host name, else by INFO; undefined for a self-hosted one. The addresses
 * of Memorystore and Heroku reveal nothing: these services must be named by the user.
 */
export function recogniseService(
  hosts: readonly string[],
  raw: ReadonlyMap<string, string>,
): Service | undefined {
  const names = hosts.map((host) => host.toLowerCase().replace(/\.$/, ''));
  const byHost = HOSTS.find(([pattern]) => names.some((name) => pattern.test(name)));
  if (byHost !== undefined) return byHost[1];
  if (raw.has('upstash_version')) return 'upstash';
  return raw.has('dragonfly_version') ? 'dragonfly' : undefined;
}

type Changes = Parameters<Provider['set']>[0];

const policyOf = (changes: Changes): string | undefined =>
  changes.find(({ name }) => name === 'maxmemory-policy')?.to;

/** Services that allow setting the eviction policy and size memory by plan. */
const policyOnly =
  (line: (policy: string) => string[]): Provider['set'] =>
  (changes) => {
    const policy = policyOf(changes);
    return policy === undefined ? [] : line(policy);
  };

const BY_PLAN = 'maxmemory follows the size of the plan: more memory is a larger plan';

const PROVIDERS: Record<Service, Omit<Provider, 'service'>> = {
  elasticache: {
    name: 'Amazon ElastiCache',
    notes: [
      'the default parameter groups evict (volatile-lru) and cannot be changed: the group must be one of your own',
      'maxmemory follows the node type; reserved-memory-percent is what it leaves for saving (25 is usual)',
    ],
    set: (changes) => {
      const settable = changes.filter(
        ({ name }) => name !== 'maxmemory' && name !== 'appendonly' && name !== 'appendfsync',
      );
      const values = settable.map(({ name, to }) => `ParameterName=${name},ParameterValue=${to}`).join(' ');
      return settable.length === 0
        ? []
        : [
            'aws elasticache create-cache-parameter-group --cache-parameter-group-name infer --cache-parameter-group-family redis7 --description infer',
            `aws elasticache modify-cache-parameter-group --cache-parameter-group-name infer --parameter-name-values ${values}`,
            'aws elasticache modify-replication-group --replication-group-id GROUP --cache-parameter-group-name infer --apply-immediately',
          ];
    },
  },
  'elasticache-serverless': {
    name: 'Amazon ElastiCache Serverless',
    notes: [
      'its eviction policy (volatile-lru) cannot be changed: it is not fit for queues',
      'take node-based ElastiCache with a parameter group of your own, or MemoryDB',
    ],
    set: () => [],
  },
  memorydb: {
    name: 'Amazon MemoryDB',
    notes: [
      'its policy is noeviction unless a parameter group says otherwise',
      'maxmemory follows the node type',
    ],
    set: policyOnly((policy) => [
      'aws memorydb create-parameter-group --parameter-group-name infer --family memorydb_redis7',
      `aws memorydb update-parameter-group --parameter-group-name infer --parameter-name-values ParameterName=maxmemory-policy,ParameterValue=${policy}`,
      'aws memorydb update-cluster --cluster-name CLUSTER --parameter-group-name infer',
    ]),
  },
  memorystore: {
    name: 'Google Memorystore for Redis',
    notes: [
      'takes effect without a restart',
      'the size is set with --size; maxmemory-gb may leave some of it free',
    ],
    set: (changes) => {
      const settable = changes.filter(({ name }) =>
        ['maxmemory-policy', 'activedefrag', 'notify-keyspace-events', 'timeout'].includes(name),
      );
      const limit = changes.find(({ name }) => name === 'maxmemory');
      const values = [
        ...settable.map(({ name, to }) => `${name}=${to}`),
        ...(limit === undefined ? [] : [`maxmemory-gb=${(Number(limit.to) / 1024 ** 3).toFixed(1)}`]),
      ];
      return values.length === 0
        ? []
        : [
            `gcloud redis instances update INSTANCE --region REGION --update-redis-config ${values.join(',')}`,
          ];
    },
  },
  'memorystore-cluster': {
    name: 'Google Memorystore for Redis Cluster',
    notes: ['maxmemory follows the node type'],
    set: policyOnly((policy) => [
      `gcloud redis clusters update CLUSTER --region REGION --update-redis-config maxmemory-policy=${policy}`,
    ]),
  },
  'azure-cache': {
    name: 'Azure Cache for Redis',
    notes: ['maxmemory follows the size; maxmemory-reserved (about 10 %) is what it leaves for saving'],
    set: policyOnly((policy) => [
      `az redis update --name NAME --resource-group GROUP --set redisConfiguration.maxmemory-policy=${policy}`,
    ]),
  },
  'azure-managed': {
    name: 'Azure Managed Redis',
    notes: [BY_PLAN],
    set: policyOnly((policy) => [
      `az redisenterprise database update --cluster-name NAME --resource-group GROUP --eviction-policy ${enterprisePolicy(policy)}`,
    ]),
  },
  upstash: {
    name: 'Upstash',
    notes: [
      'console.upstash.com, the database, Configuration, Eviction: off means noeviction',
      'idle workers send commands too: a plan with a fixed price suits better',
    ],
    set: policyOnly((policy) => (policy === 'noeviction' ? ['Eviction: off'] : ['Eviction: on'])),
  },
  'redis-cloud': {
    name: 'Redis Cloud',
    notes: [BY_PLAN, 'cloud.redis.io, the database, Configuration, Durability'],
    set: policyOnly((policy) => [
      `Data eviction policy: ${policy === 'noeviction' ? 'No eviction' : policy}`,
    ]),
  },
  aiven: {
    name: 'Aiven',
    notes: [BY_PLAN],
    set: policyOnly((policy) => [
      `avn service update SERVICE -c redis_maxmemory_policy=${policy}   # a Valkey service: valkey_maxmemory_policy`,
    ]),
  },
  digitalocean: {
    name: 'DigitalOcean Managed Caching',
    notes: [BY_PLAN],
    set: policyOnly((policy) => [
      `curl -X PUT -H "Authorization: Bearer $DIGITALOCEAN_TOKEN" -H 'Content-Type: application/json' -d '{"eviction_policy":"${policy.replace('-', '_')}"}' https://api.digitalocean.com/v2/databases/ID/eviction_policy`,
    ]),
  },
  heroku: {
    name: 'Heroku Key-Value Store',
    notes: [BY_PLAN],
    set: policyOnly((policy) => [`heroku redis:maxmemory --app APP --policy ${policy}`]),
  },
  render: {
    name: 'Render Key Value',
    notes: [BY_PLAN],
    set: policyOnly((policy) => [`dashboard.render.com, the instance, Maxmemory Policy: ${policy}`]),
  },
  dragonfly: {
    name: 'Dragonfly',
    notes: [
      'it evicts only with --cache_mode; leave that off for queues',
      'start it with --cluster_mode=emulated --lock_on_hashtags',
    ],
    set: (changes) => {
      const limit = changes.find(({ name }) => name === 'maxmemory');
      return limit === undefined ? [] : [`dragonfly --maxmemory=${limit.to}`];
    },
  },
};

/** Redis Enterprise's names: `NoEviction`, `VolatileTTL`, `AllKeysLRU`. */
function enterprisePolicy(policy: string): string {
  const [first = '', second = ''] = policy.split('-');
  const start = { noeviction: 'NoEviction', volatile: 'Volatile', allkeys: 'AllKeys' }[first] ?? first;
  return (
    start + (second.length === 3 ? second.toUpperCase() : second.charAt(0).toUpperCase() + second.slice(1))
  );
}

export function providerOf(service: Service): Provider {
  return { service, ...PROVIDERS[service] };
}
