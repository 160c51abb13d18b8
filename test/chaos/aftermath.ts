import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Redis } from 'ioredis';
import { workersKey } from '../../src/lib/queue/keys.js';
import { PREFIX, QUEUES, usedMemory } from './chaos.js';
import { HistoryWriter, readHistories } from './history.js';
import { MODELS, PAYLOAD_CANARY, POISON_INDEX } from './inputs.js';
import { checkBounds, readKeyFacts } from './key-bounds.js';
import { allKeys, readDamaged, readQueues, retire } from './keyspace.js';
import { cleanEnvironment } from './processes.js';
import type { FinalState } from './records.js';
import type { ChaosServer } from './redis-server.js';
import { Known } from './submissions.js';
import { UNKNOWN, visible } from './visible.js';
import type { Watcher } from './watcher.js';
import type { WorkerProcess } from './worker-process.js';

export interface Scene {
  redis: ChaosServer;
  admin: Redis;
  workers: readonly WorkerProcess[];
  root: string;
  dir: string;
  env: Record<string, string>;
  password: string;
  resultTtl: number;
  histories: string[];
  watcher: Watcher;
  memoryBefore: number;
}

const DRAIN_MS = 20_000;
/** A runner whose worker was killed notices its closed pipe, after a run in progress. */
const ORPHAN_MS = 5000;
const READS_AT_ONCE = 32;

/** Checks everything once more, stops the workers, and records what is left of the run. */
export async function aftermath(scene: Scene): Promise<{ final: FinalState; refused: number }> {
  const { admin, workers, watcher } = scene;
  await readAllAgain(scene);
  const problems = await readProblems(scene);
  for (const worker of workers) worker.noteChildren();
  await Promise.all(workers.map((worker) => worker.drain(DRAIN_MS, false)));
  const queues = await readQueues(admin, PREFIX, QUEUES);
  const starts = workers.reduce((sum, worker) => sum + worker.starts, 0);
  const known = { queues: QUEUES.length, models: MODELS.length, workers: starts };
  const damaged = await readDamaged(admin, PREFIX, QUEUES);
  const registry = await readRegistry(admin, workers, watcher);
  const connections = await strangers(admin);
  const processes = await survivors(workers);
  const bounds = checkBounds(await readKeyFacts(admin, PREFIX), PREFIX, known);
  const immortal = await retire(admin, PREFIX, QUEUES);
  // Both are bounded and hold no data: scripts by their number, the log by its length.
  await admin.script('FLUSH');
  await admin.slowlog('RESET');
  const memory = { before: scene.memoryBefore, after: await usedMemory(admin) };
  await scene.redis.end('SIGTERM');
  const logs = readdirSync(scene.dir).filter((name) => name.endsWith('.log'));
  const texts = logs.map((name) => ({ name, text: readFileSync(join(scene.dir, name), 'utf8') }));
  const secrets = [scene.password, PAYLOAD_CANARY, String(POISON_INDEX)];
  const leaks = texts.flatMap(({ name, text }) =>
    text
      .split('\n')
      .filter((line) => secrets.some((secret) => line.includes(secret)))
      .slice(0, 3)
      .map((line) => `${name}: ${line.slice(0, 300)}`),
  );
  const refused = texts.reduce((sum, { text }) => sum + text.split('outcome refused').length - 1, 0);
  const unlocked = [...watcher.unlocked].map(([id, ms]) => ({ id, ms }));
  return {
    final: {
      damaged,
      problems,
      ...queues,
      ...registry,
      unlocked,
      processes,
      connections,
      immortal,
      unbounded: bounds.unbounded,
      kinds: bounds.counts,
      leaks,
      memory,
    },
    refused,
  };
}

/** Like a user with a new client: tries every id that may exist. */
async function readAllAgain(scene: Scene): Promise<void> {
  const { InferClient } = (await import(
    pathToFileURL(join(scene.root, 'dist/lib/index.js')).href
  )) as typeof import('../../src/lib/index.js');
  const { submissions } = new Known(readHistories(scene.histories));
  const ids = [...submissions.keys()];
  const path = join(scene.dir, 'last.ndjson');
  const history = new HistoryWriter(path, 'last');
  scene.histories.push(path);
  const url = scene.redis.url.replace('://', `://:${scene.password}@`);
  const client = await InferClient.connect({ redis: url, prefix: PREFIX });
  try {
    while (ids.length > 0) {
      await Promise.all(
        ids.splice(0, READS_AT_ONCE).map(async (id) => {
          try {
            history.add({ op: 'read', type: 'ok', id, ...visible(await client.result(id)) });
          } catch (error) {
            const { code = '' } = error as { code?: string };
            if (UNKNOWN.has(code)) history.add({ op: 'read', type: 'ok', id, state: 'unknown' });
            else if (submissions.get(id)?.damaged) history.add({ op: 'read', type: 'info', id, code });
            else throw error;
          }
        }),
      );
    }
  } finally {
    await client.close();
    history.close();
  }
}

/** The problems that `infer inspect` reports while the workers still run. */
async function readProblems({ root, dir, env, redis }: Scene): Promise<string[]> {
  const options = {
    cwd: dir,
    env: cleanEnvironment({ ...env, INFER_REDIS_URL: redis.url }),
    maxBuffer: 2 ** 24,
  };
  const program = join(root, 'bin/run.js');
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'inspect', '--json'], options);
  return (JSON.parse(stdout) as { problems: { code: string }[] }).problems.map(({ code }) => code);
}

/** Remaining heartbeats and leases; those of a killed worker expire. */
async function readRegistry(
  admin: Redis,
  workers: readonly WorkerProcess[],
  watcher: Watcher,
): Promise<Pick<FinalState, 'heartbeats' | 'leases'>> {
  const killed = new Set(workers.flatMap((worker) => [...worker.killed]));
  const excused = (id: string): boolean => killed.has(watcher.workers.get(id) ?? -1);
  const keys = await allKeys(admin, PREFIX);
  const heartbeats = new Set(await admin.zrange(workersKey(PREFIX), '0', '-1'));
  for (const key of keys) {
    const id = key.startsWith(`{${PREFIX}}:worker:`) ? key.split(':').at(-1) : undefined;
    if (id !== undefined) heartbeats.add(id);
  }
  const leases: string[] = [];
  for (const key of keys.filter((name) => name.startsWith(`{${PREFIX}}:lease:`))) {
    const holder = await admin.get(key);
    const id = holder?.split(' ')[1] ?? '';
    if (!excused(id)) leases.push(`lease ${key} of ${holder}`);
  }
  return {
    heartbeats: [...heartbeats].filter((id) => !excused(id)).map((id) => `heartbeat of ${id}`),
    leases,
  };
}

/** Connections other than the harness's own. */
async function strangers(admin: Redis): Promise<string[]> {
  const list = String(await admin.call('CLIENT', 'LIST', 'TYPE', 'normal'));
  return list
    .split('\n')
    .filter((line) => line !== '' && !/name=(chaos-harness|sentinel-)/.test(line))
    .map((line) => `connection ${/name=\S*/.exec(line)?.[0]} ${/addr=\S*/.exec(line)?.[0]}`);
}

async function survivors(workers: readonly WorkerProcess[]): Promise<string[]> {
  const deadline = Date.now() + ORPHAN_MS;
  for (;;) {
    const left = workers.flatMap((worker) =>
      worker.alive().map((pid) => `${pid} of worker ${worker.plan.name}`),
    );
    if (left.length === 0 || Date.now() > deadline) return left;
    await delay(100);
  }
}
