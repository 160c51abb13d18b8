import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { copyJobs, SimulatedWorkers } from '../lib/deployment.mjs';
import { digitRow } from '../lib/digits.mjs';
import { openEvents } from '../lib/http.mjs';
import { INFER } from '../lib/place.mjs';
import { sizeOf } from '../lib/sizes.mjs';
import { median } from '../lib/stats.mjs';

export const title = 'dashboard: what a snapshot costs Redis, its memory, and the time of each page';

const QUEUES = 100;
const WORKERS = 200;
const QUEUES_OF_WORKER = 4;
const TABS = 20;
const WINDOW_MS = 20_000;
const LARGE_BYTES = 64 * 1024 ** 2;
/** Commands that the dashboard reads with. The simulated workers send none of them; what the one real worker sends is measured first. */
const READS =
  'get hkeys hvals hget hmget hgetall hexists llen lindex zcard zcount zrange zrangebyscore type ping info time'.split(
    ' ',
  );

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const waiting = amount.full ? 1_000_000 : sizeOf(amount, { usual: 100_000, perSecond: 5_000 });
  const failed = Math.floor(waiting / 5);
  const server = await place.redis(['--proto-max-bulk-len', '256mb']);
  const { redis } = server.client;
  // Publishes the model; its queue is not one of the others.
  await place.worker(server.url, ['-Q', 'real']);
  const queues = Array.from({ length: QUEUES }, (_, i) => `queue-${String(i).padStart(3, '0')}`);
  const { id } = await server.client.submit(digitRow(0), { model: 'digits', queue: 'queue-000' });
  await copyJobs(redis, 'queue-000', id, waiting, 'prioritized');
  await copyJobs(redis, 'queue-000', id, failed, 'failed');
  for (const queue of queues.slice(1)) {
    const job = await server.client.submit(digitRow(1), { model: 'digits', queue });
    await copyJobs(redis, queue, job.id, 50, 'prioritized');
  }
  const large = `copy-prioritized-${waiting - 1}`;
  await redis.set(`{infer:queue-000}:in:${large}`, Buffer.alloc(LARGE_BYTES));
  const workers = new SimulatedWorkers(redis, queues, WORKERS, QUEUES_OF_WORKER);
  await workers.start();
  const { child, said } = await place.ready('dashboard', [
    ...['dashboard', '--redis', server.url, '--port', '0', '--log-level', 'error'],
  ]);
  const [, url = ''] = /^ready (\S+)\/ /m.exec(said) ?? [];
  if (url === '') throw new Error(`the dashboard does not say where it listens: ${said}`);
  const lines = [];
  try {
    const none = await costOf(redis);
    const close = [await openEvents(`${url}/api/stream`)];
    // The first snapshots read everything once.
    await delay(5_000);
    const one = await costOf(redis);
    while (close.length < TABS) close.push(await openEvents(`${url}/api/stream`));
    const many = await costOf(redis);
    const target = '<= 2 ms';
    lines.push(
      { what: 'in commands, 1 tab', ours: one.readMs - none.readMs, unit: 'ms/s', target },
      { what: `in commands, ${TABS} tabs`, ours: many.readMs - none.readMs, unit: 'ms/s', target },
      { what: 'processor time of Redis, 1 tab', ours: one.cpuMs - none.cpuMs, unit: 'ms/s' },
      { what: `processor time of Redis, ${TABS} tabs`, ours: many.cpuMs - none.cpuMs, unit: 'ms/s' },
      { what: 'commands of the real worker', ours: none.readMs, unit: 'ms/s' },
      { what: 'commands, 1 tab', ours: one.reads - none.reads, unit: '1/s' },
    );
    await redis.config('SET', 'slowlog-log-slower-than', '20000');
    await redis.slowlog('RESET');
    for (const [what, path] of PAGES(large)) {
      const times = [];
      for (let i = 0; i < 5; i++) times.push(await timeOf(`${url}${path}`));
      lines.push({ what: `${what}, first`, ours: times[0] ?? Number.NaN, unit: 'ms', target: '<= 1000 ms' });
      lines.push({ what, ours: median(times), unit: 'ms' });
    }
    const blocked = Number(await redis.slowlog('LEN'));
    lines.push({ what: 'commands of more than 20 ms', ours: blocked, unit: '', target: '0' });
    const memory = peakOf(child.pid);
    lines.push({
      what: `peak memory, ${TABS} tabs`,
      ours: memory / 1024 ** 2,
      unit: 'MB',
      target: '<= 150 MB',
    });
    for (const end of close) end();
    await place.stop(child);
    lines.push(...(await actions(place, server)));
  } finally {
    workers.stop();
  }
  return { lines, size: `${waiting} waiting, ${failed} failed, ${QUEUES} queues, ${WORKERS} workers` };
}

/**
 * Bulk actions of an operator, one after the other: how long each takes, and the longest command of Redis.
 * @param {import('../lib/place.mjs').Place} place @param {{url: string, client: import('infer-queue').InferClient}} server
 * @returns {Promise<import('../lib/stats.mjs').Line[]>}
 */
async function actions(place, { url: redisUrl, client: { redis } }) {
  const file = join(place.dir, 'tokens.json');
  const scopes = ['--scope', 'read:all', '--scope', 'control'];
  const { token } = JSON.parse(
    execFileSync(
      process.execPath,
      [INFER, 'token', 'create', 'bench', ...scopes, '--token-file', file, '--json'],
      {
        encoding: 'utf8',
      },
    ),
  );
  const { child, said } = await place.ready('dashboard', [
    ...['dashboard', '--redis', redisUrl, '--port', '0', '--log-level', 'error', '--allow-control'],
    ...['--token-file', file],
  ]);
  const [, url = ''] = /^ready (\S+)\/ /m.exec(said) ?? [];
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const ask = async (/** @type {string} */ path, /** @type {unknown} */ body) => {
    const answer = await fetch(url + path, {
      headers,
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${JSON.stringify(said)}`);
    return said;
  };
  const lines = [];
  // By Redis's own clock, to the millisecond; the slow log keeps only the last commands.
  await redis.config('SET', 'latency-monitor-threshold', '1');
  for (const [what, action] of PREVIEWS) {
    const { ms, longest } = await watched(redis, () => ask('/api/actions/preview', action));
    lines.push({ what: `preview, ${what}`, ours: ms, unit: 'ms', target: '<= 1000 ms' });
    lines.push({ what: `preview, ${what}: longest command`, ours: longest, unit: 'ms', target: '<= 20 ms' });
  }
  for (const [what, action] of ACTIONS) {
    const shown = await watched(redis, () => ask('/api/actions/preview', action));
    lines.push({ what: `preview, ${what}`, ours: shown.ms, unit: 'ms', target: '<= 1000 ms' });
    const { ticket } = shown.result;
    const begun = performance.now();
    let answered = 0;
    const done = await watched(redis, async () => {
      let state = await ask('/api/actions', { action, ticket });
      answered = performance.now() - begun;
      while (state.state === 'running') {
        await delay(200);
        state = await ask(`/api/actions/${state.id}`, undefined);
      }
      return state;
    });
    if (done.result.state !== 'ok') throw new Error(`${what}: ${JSON.stringify(done.result)}`);
    lines.push(
      { what: `${what}: answered`, ours: answered, unit: 'ms', target: '<= 6000 ms' },
      { what: `${what}: ${done.result.done} jobs`, ours: done.ms / 1000, unit: 's' },
      { what: `${what}: longest command`, ours: done.longest, unit: 'ms', target: '<= 20 ms' },
      { what: `${what}: a script on average`, ours: done.scriptMs, unit: 'ms' },
    );
  }
  await place.stop(child);
  return lines;
}

/**
 * How long work takes, the longest command of Redis meanwhile, and the mean of its scripts, in milliseconds.
 * @template T @param {any} redis @param {() => Promise<T>} work
 */
async function watched(redis, work) {
  await redis.config('RESETSTAT');
  await redis.call('LATENCY', 'RESET');
  const began = performance.now();
  const result = await work();
  const ms = performance.now() - began;
  /** @type {[string, number, number, number][]} */
  const events = await redis.call('LATENCY', 'LATEST');
  const commands = events.filter(([name]) => name === 'command' || name === 'fast-command');
  const longest = Math.max(0, ...commands.map(([, , , most]) => most));
  const stats = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(await redis.info('commandstats'));
  return { result, ms, longest, scriptMs: stats === null ? 0 : Number(stats[2]) / Number(stats[1]) / 1000 };
}

/** Filters for which records must be read; not carried out. @type {[string, unknown][]} */
const PREVIEWS = [
  ['cancel the jobs older than an hour', { action: 'cancel', filter: { olderThan: '1h' } }],
  ['cancel the jobs of a model', { action: 'cancel', filter: { model: 'digits' } }],
  ['retry the jobs with an error', { action: 'retry', filter: { error: 'MODEL_RUN' } }],
];

/** @type {[string, unknown][]} */
const ACTIONS = [
  [
    'cancel the jobs of a priority',
    { action: 'cancel', filter: { queue: 'queue-000', state: 'waiting', priority: '9' } },
  ],
  ['retry the failed jobs', { action: 'retry', filter: { queue: 'queue-000', state: 'failed' } }],
  ['purge the waiting jobs', { action: 'purge', queue: 'queue-000', states: ['waiting'] }],
  ['purge the cancelled jobs', { action: 'purge', queue: 'queue-000', states: ['cancelled'] }],
];

/** @param {string} large @returns {[string, string][]} */
const PAGES = (large) => [
  ['jobs', '/api/jobs?limit=50'],
  ['jobs, failed', '/api/jobs?state=failed&limit=50'],
  ['jobs, a model that no job has', '/api/jobs?model=digits&error=nothing&limit=50'],
  ['job of 64 MiB', `/api/jobs/${large}`],
  ['its input', `/api/jobs/${large}/input`],
  ['failures', '/api/failures'],
  ['redis', '/api/redis'],
  ['audit', '/api/audit'],
];

/** What a second costs Redis: in commands that read, and in processor time. @param {any} redis */
async function costOf(redis) {
  const before = await usage(redis);
  await delay(WINDOW_MS);
  const after = await usage(redis);
  const seconds = (after.at - before.at) / 1000;
  return {
    readMs: (after.readMs - before.readMs) / seconds,
    reads: (after.reads - before.reads) / seconds,
    cpuMs: (after.cpuMs - before.cpuMs) / seconds,
  };
}

/** @param {any} redis */
async function usage(redis) {
  /** @type {string} */
  const stats = await redis.info('commandstats');
  /** @type {string} */
  const cpu = await redis.info('cpu');
  let [reads, micros] = [0, 0];
  for (const name of READS) {
    const [, calls = '0', usec = '0'] =
      new RegExp(`cmdstat_${name}:calls=(\\d+),usec=(\\d+)`).exec(stats) ?? [];
    reads += Number(calls);
    micros += Number(usec);
  }
  const part = (/** @type {string} */ name) => Number(new RegExp(`${name}:([\\d.]+)`).exec(cpu)?.[1] ?? 0);
  const cpuMs = 1000 * (part('used_cpu_sys') + part('used_cpu_user'));
  return { at: performance.now(), readMs: micros / 1000, reads, cpuMs };
}

/** Milliseconds until an answer is complete. @param {string} url @returns {Promise<number>} */
function timeOf(url) {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    get(url, (answer) => {
      answer.on('error', reject);
      answer.on('end', () => {
        const { statusCode = 0 } = answer;
        if (statusCode < 300) resolve(performance.now() - began);
        else reject(new Error(`GET ${url}: ${statusCode}`));
      });
      answer.resume();
    }).on('error', reject);
  });
}

/** Peak memory of a process, bytes; Linux only. @param {number | undefined} pid */
function peakOf(pid) {
  const [, kb = 'NaN'] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kb) * 1024;
}
