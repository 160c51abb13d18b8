import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { until } from './cli.js';
import { freePort } from './ports.js';
import { startRedis, type TestRedis } from './redis.js';

export interface TestCluster {
  /** `redis-cluster://` with every node. */
  readonly url: string;
  readonly nodes: readonly TestRedis[];
  /** The node that holds the slot of a key. */
  nodeOf(key: string): Promise<TestRedis>;
  /** Resolves when every node reports the cluster as ok. */
  whole(): Promise<void>;
  /** Resolves when a line appears in the node's CLUSTER INFO. */
  says(node: TestRedis, line: string): Promise<void>;
  /** INFO errorstats of all nodes: how often each kind of error was returned. */
  errors(): Promise<Map<string, number>>;
  stop(): Promise<void>;
}

const SLOTS = 16_384;
/** How fast a node is marked as failed; Redis's default is 15 s. */
const NODE_TIMEOUT_MS = 1000;
const START_TRIES = 10;

/** Starts masters on free loopback ports, distributes the slots evenly and joins them. */
export async function startCluster(size = 3): Promise<TestCluster> {
  const started = await Promise.allSettled(Array.from({ length: size }, () => startNode()));
  const nodes = started.flatMap((node) => (node.status === 'fulfilled' ? [node.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    for (const node of started) if (node.status === 'rejected') throw node.reason;
    await join(nodes);
    await whole(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis-cluster://${nodes.map((node) => `127.0.0.1:${node.port}`).join(',')}`,
    nodes,
    nodeOf: async (key) => {
      const slot = Number(await ask(nodes[0] as TestRedis, 'CLUSTER', 'KEYSLOT', key));
      return nodes[Math.min(size - 1, Math.floor((slot * size) / SLOTS))] as TestRedis;
    },
    whole: () => whole(nodes),
    says: async (node, line) => {
      await until(async () => (await ask(node, 'CLUSTER', 'INFO')).includes(line) || undefined);
    },
    errors: async () => {
      const texts = await Promise.all(nodes.map((node) => ask(node, 'INFO', 'errorstats')));
      const counts = new Map<string, number>();
      for (const [, name, count] of texts.join('\n').matchAll(/^errorstat_(\w+):count=(\d+)/gm))
        counts.set(name as string, (counts.get(name as string) ?? 0) + Number(count));
      return counts;
    },
    stop,
  };
}

async function startNode(): Promise<TestRedis> {
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(NODE_TIMEOUT_MS)];
  for (let attempt = 1; ; attempt++) {
    try {
      // Append-only, so that a killed node comes back with its jobs.
      return await startRedis({ port: true, args: [...args, '--appendonly', 'yes'] });
    } catch (error) {
      // The nodes' bus listens 10,000 ports higher, which may be out of range or taken.
      if (attempt === START_TRIES) throw error;
    }
  }
}

async function join(nodes: readonly TestRedis[]): Promise<void> {
  const [first, ...others] = nodes as [TestRedis, ...TestRedis[]];
  await Promise.all(
    nodes.map(async (node, index) => {
      // One by one: ranges (ADDSLOTSRANGE) came with Redis 7.0.
      const from = Math.ceil((index * SLOTS) / nodes.length);
      const to = Math.ceil(((index + 1) * SLOTS) / nodes.length);
      await ask(node, 'CLUSTER', 'ADDSLOTS', ...Array.from({ length: to - from }, (_, i) => from + i));
      await ask(node, 'CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    }),
  );
  for (const node of others) await ask(first, 'CLUSTER', 'MEET', '127.0.0.1', node.port as number);
}

async function whole(nodes: readonly TestRedis[]): Promise<void> {
  await until(async () => {
    const infos = await Promise.all(nodes.map((node) => ask(node, 'CLUSTER', 'INFO').catch(() => '')));
    const agreed = infos.every(
      (info) => info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${nodes.length}`),
    );
    return agreed || undefined;
  });
}

/** Each command on a new connection: those from before a restart are useless. */
async function ask(node: TestRedis, command: string, ...args: (string | number)[]): Promise<string> {
  const client = await node.client();
  try {
    return String(await client.call(command, ...args.map(String)));
  } finally {
    client.disconnect();
  }
}

export interface TestSentinel {
  /** `redis-sentinel://` with the master's name. */
  readonly url: string;
  /** Starts a failover; it is over when `master` returns another port. */
  failover(): Promise<void>;
  /** The master's port, as the sentinel sees it. */
  master(): Promise<number>;
  stop(): Promise<void>;
}

/** A single deciding sentinel over a master whose replica is already connected. */
export async function startSentinel(masterPort: number): Promise<TestSentinel> {
  const dir = mkdtempSync(path.join(tmpdir(), 'infer-sentinel-'));
  const port = await freePort();
  const file = path.join(dir, 'sentinel.conf');
  writeFileSync(
    file,
    `port ${port}
bind 127.0.0.1
dir ${dir}
sentinel monitor main 127.0.0.1 ${masterPort} 1
sentinel down-after-milliseconds main 1000
sentinel failover-timeout main 10000
`,
  );
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
  const cleanUp = (): void => void child.kill('SIGKILL');
  process.once('exit', cleanUp);
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50 });
  client.on('error', () => undefined);
  const stop = async (): Promise<void> => {
    client.disconnect();
    process.off('exit', cleanUp);
    const gone = child.exitCode === null ? once(child, 'exit') : undefined;
    child.kill('SIGKILL');
    await gone;
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    // It asks the master for its replicas right after its start.
    await until(async () => {
      const replicas = (await client.call('SENTINEL', 'REPLICAS', 'main')) as unknown[];
      return replicas.length === 1 || undefined;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis-sentinel://127.0.0.1:${port}/main`,
    failover: async () => {
      // NOGOODSLAVE until it knows the replica's state.
      await until(() => client.call('SENTINEL', 'FAILOVER', 'main').catch(() => undefined));
    },
    master: async () => {
      const address = (await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')) as string[];
      return Number(address[1]);
    },
    stop,
  };
}
