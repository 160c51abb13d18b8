import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeAudit } from '../../src/lib/queue/audit.js';
import { publishAutoscaler } from '../../src/lib/queue/autoscalers.js';
import { writeEvent } from '../../src/lib/queue/events/write-event.js';
import { bullBase, modelsKey, queuesKey, queueTag, resultKey } from '../../src/lib/queue/keys.js';
import { beat } from '../../src/lib/queue/registry.js';
import type { WorkerRecord } from '../../src/lib/queue/types.js';
import type { RedisClient } from '../../src/lib/redis/types.js';
import { COMMANDS } from '../contract/command-line.js';
import { useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { useRedis } from '../support/redis.js';
import { openTerminal } from '../support/terminal.js';

/** What a terminal would execute, hide or reorder. */
const UNSAFE = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
/** A name that does all of that, and starts a new line and column. */
const HOSTILE = 'a\u202eb\u001b[31m\u001b]0;t\u0007\u200b\u2066\u009b2J\ufeff\u3164\nROW\tcell\u2028z';

const redis = useRedis();
const infer = useInfer(redis);
const PREFIX = 'infer';

const worker = (): WorkerRecord => ({
  id: 'w-hostile',
  name: HOSTILE,
  host: HOSTILE,
  pid: 1,
  version: HOSTILE,
  startedAt: Date.now() - 5000,
  beatAt: Date.now(),
  state: 'ready',
  gpu: HOSTILE,
  device: HOSTILE,
  queues: [HOSTILE, 'q'],
  models: [{ name: HOSTILE, version: 1, batch: 1 }],
  concurrency: 1,
  maxBatch: null,
  batchWindowMs: 0,
  active: [{ id: HOSTILE, queue: HOSTILE, model: HOSTILE, rows: 1, sinceMs: 5, attempt: 1 }],
  jobsDone: 1,
  rowsDone: 1,
  jobsFailed: 0,
  batches: 1,
  rssBytes: 1,
  loopLagMs: 500,
});

let client: RedisClient;
beforeAll(async () => {
  client = await redis.client();
  for (const id of ['bad', 'good', 'waits'])
    await infer.ask(['submit', ONE_DIGIT, '-Q', 'q', '--id', id, '-q']);
  const [base, tag] = [bullBase(PREFIX, 'q'), queueTag(PREFIX, 'q')];
  const failure = { code: 'HANDLER_FAILED', message: HOSTILE, hint: HOSTILE };
  const meta = { worker: HOSTILE, device: HOSTILE, queueMs: 1, runMs: 1, totalMs: 2, attempts: 1 };
  for (const [id, st] of [
    ['bad', 'failed'],
    ['good', 'completed'],
  ] as const) {
    const data = JSON.parse((await client.hget(base + id, 'data')) ?? '') as { s: { model: string } };
    data.s.model = HOSTILE;
    await client.hset(base + id, {
      st,
      ...(st === 'failed' ? { f: JSON.stringify(failure) } : {}),
      m: JSON.stringify(meta),
      name: `${HOSTILE}#1`,
      data: JSON.stringify(data),
      finishedOn: Date.now(),
      ats: 1,
      pb: HOSTILE,
    });
    await client.zrem(`${base}prioritized`, id);
    await client.zadd(`${base}${st}`, String(Date.now()), id);
  }
  await client.set(resultKey(tag, 'good'), 'no envelope');
  await client.hset(queuesKey(PREFIX), HOSTILE, '{}');
  await client.hset(
    modelsKey(PREFIX),
    HOSTILE,
    JSON.stringify({ name: HOSTILE, version: 1, inputs: [], outputs: [] }),
  );
  await writeAudit(client, PREFIX, {
    who: HOSTILE,
    host: HOSTILE,
    channel: HOSTILE as 'cli',
    action: HOSTILE,
    target: HOSTILE,
    detail: HOSTILE,
    count: 1,
    outcome: 'failed',
    code: HOSTILE,
    result: HOSTILE,
  });
  await writeEvent(client, PREFIX, {
    kind: 'scaled',
    subject: { kind: 'autoscaler', name: HOSTILE },
    text: HOSTILE,
    alarm: true,
    data: { host: HOSTILE },
  });
  await publishAutoscaler(client, PREFIX, {
    id: HOSTILE,
    host: HOSTILE,
    pid: 1,
    pool: HOSTILE,
    queues: [HOSTILE],
    policy: HOSTILE,
    dryRun: false,
    min: 0,
    max: 1,
    targetWaitMs: 1,
    startedAt: Date.now(),
    decidedAt: Date.now(),
    desired: 1,
    hold: HOSTILE,
    reason: HOSTILE,
    workers: [
      { name: HOSTILE, pid: 1, slot: HOSTILE, gpu: HOSTILE, state: 'ready', since: 1, adopted: false },
    ],
    troubles: [{ slot: HOSTILE, state: 'failed', reason: HOSTILE, last: HOSTILE }],
  });
});
beforeEach(() => beat(client, PREFIX, worker()));

/** Never created: each call that names it is refused. */
const NO_TOKENS = '/nonexistent/tokens.json';

/** Every command that shows part of the deployment, in every form. */
const CALLS: readonly string[][] = [
  ['inspect'],
  ['inspect', 'queues'],
  ['inspect', 'queues', '-o', 'wide'],
  ['inspect', 'queues', '-o', 'name'],
  ['inspect', 'workers'],
  ['inspect', 'workers', '-o', 'wide'],
  ['inspect', 'workers', '-q'],
  ['inspect', 'stats'],
  ['inspect', 'ping', '-t', '200ms'],
  ['inspect', 'active'],
  ['inspect', 'jobs'],
  ['inspect', 'jobs', '-o', 'wide'],
  ['inspect', 'failed'],
  ['inspect', 'job', 'bad'],
  ['inspect', 'job', 'good'],
  ['inspect', 'job', 'waits', '--payload'],
  ['inspect', 'group', HOSTILE],
  ['inspect', 'audit'],
  ['inspect', 'audit', '-o', 'wide'],
  ['inspect', 'history'],
  ['inspect', 'history', '--by', 'worker'],
  ['inspect', 'history', '-d', HOSTILE],
  ['inspect', 'history', '-Q', HOSTILE],
  ['events'],
  ['events', '-o', 'wide'],
  ['events', '-o', 'name'],
  ['events', '--kind', HOSTILE],
  ['result', 'bad'],
  ['result', 'good'],
  ['result', HOSTILE],
  ['cancel', HOSTILE],
  ['cancel', 'bad'],
  ['retry', HOSTILE],
  ['retry', '--failed', '--error', HOSTILE, '--dry-run'],
  ['retry', '--failed', '-Q', HOSTILE],
  ['submit', HOSTILE],
  ['submit', ONE_DIGIT, '-m', HOSTILE],
  ['submit', ONE_DIGIT, '--id', HOSTILE],
  ['submit', ONE_DIGIT, '-Q', HOSTILE],
  ['submit', ONE_DIGIT, '--wait', HOSTILE],
  ['score', HOSTILE, '-o', HOSTILE],
  ['score', ONE_DIGIT, '-m', HOSTILE, '-o', 'scored.ndjson'],
  ['models', '--models', HOSTILE],
  ['models', HOSTILE],
  ['models', 'add', HOSTILE],
  ['models', 'add', ONE_DIGIT, '--name', HOSTILE],
  ['models', 'check', HOSTILE],
  ['worker', '-m', HOSTILE],
  ['worker', '--gpu', HOSTILE],
  ['worker', '-Q', HOSTILE],
  ['control', 'pause', HOSTILE],
  ['control', 'resume', HOSTILE],
  ['control', 'purge', HOSTILE],
  ['control', 'repair', HOSTILE],
  ['control', 'drain', HOSTILE, '--dry-run', '-t', '200ms'],
  ['control', 'stop', HOSTILE, '--dry-run', '-t', '200ms'],
  ['control', 'restart', HOSTILE, '--dry-run', '-t', '200ms'],
  ['control', 'load', HOSTILE, HOSTILE, '-t', '200ms'],
  ['control', 'unload', HOSTILE, HOSTILE, '-t', '200ms'],
  ['control', 'set', HOSTILE, HOSTILE, HOSTILE],
  ['control', 'move', 'waits', '--to', HOSTILE],
  ['control', 'move', HOSTILE, '--to', 'other'],
  ['control', 'priority', HOSTILE, '9'],
  ['control', 'priority', 'waits', HOSTILE],
  ['control', 'revoke', HOSTILE],
  ['control', 'revoke', '-m', HOSTILE, '--dry-run'],
  ['serve', '--host', HOSTILE],
  ['serve', '--port', '0', '--base-path', HOSTILE],
  ['serve', '--port', '0', '--cors', HOSTILE],
  ['serve', '--port', '0', '--token-file', HOSTILE, '--server-name', HOSTILE],
  ['dashboard', '--host', HOSTILE],
  ['dashboard', '--port', '0', '--base-path', HOSTILE],
  ['dashboard', '--port', '0', '--token-file', HOSTILE],
  ['up', '--models', HOSTILE],
  ['up', '--config', HOSTILE],
  ['up', '-Q', HOSTILE],
  ['down', HOSTILE],
  ['down', '--timeout', HOSTILE],
  ['token', 'create', HOSTILE, '--token-file', NO_TOKENS],
  ['token', 'create', 'app', '-m', HOSTILE, '--token-file', NO_TOKENS],
  ['token', 'list', '--token-file', HOSTILE],
  ['token', 'revoke', HOSTILE, '--token-file', NO_TOKENS],
  ['workers', 'list'],
  ['workers', 'start', HOSTILE],
  ['workers', 'stop', HOSTILE],
  ['workers', 'logs', HOSTILE],
  ['workers', 'restart', HOSTILE],
  ['doctor', 'queues', 'workers'],
  ['doctor', HOSTILE],
  ['redis-tune', HOSTILE],
  ['redis-tune', 'acl', HOSTILE],
  ['redis-tune', 'rollback', HOSTILE],
  ['redis-tune', 'apply', HOSTILE],
  ['redis', HOSTILE],
  ['redis', 'status', HOSTILE],
  ['redis', 'start', HOSTILE],
  ['redis', 'stop', HOSTILE],
  ['autoscale', '--policy', HOSTILE],
  ['autoscale', '--simulate', HOSTILE],
  ['bench', '-m', HOSTILE],
  ['bench', 'model', HOSTILE],
  ['completion', HOSTILE],
  ['demo', HOSTILE],
  ['help', HOSTILE],
  ['help', 'exit-codes', HOSTILE],
  ['help', 'environment', HOSTILE],
  [HOSTILE],
  ['inspect', `--${HOSTILE}`],
];

/** In its own process when it would keep running. */
const once = ([command]: readonly string[]) => (command === 'worker' ? infer.run : infer.ask);

const named = (words: readonly string[]) =>
  words.map((word) => (word === HOSTILE ? 'HOSTILE' : word)).join(' ');

/** Lines and tabs are ours; a style or anything else is not, with NO_COLOR. */
function expectSafe(text: string, call: string): void {
  const found = UNSAFE.exec(text);
  const code = found?.[0].codePointAt(0)?.toString(16);
  expect(
    found === null
      ? 'safe'
      : `U+${code} at …${JSON.stringify(text.slice(Math.max(0, (found.index ?? 0) - 60), found.index))}`,
    call,
  ).toBe('safe');
  expect(text, `${call}: a line break came through`).not.toMatch(/^ROW\tcell/m);
}

describe('untrusted text', () => {
  it('is passed to every command', () => {
    const tried = new Set(CALLS.flatMap((words) => [words[0], words.slice(0, 2).join(':')]));
    const shown = Object.entries(COMMANDS).filter(([, { hidden }]) => hidden !== true);
    expect(
      shown.map(([id]) => id).filter((id) => !tried.has(id) && !['redis-tune:audit', 'metrics'].includes(id)),
    ).toEqual([]);
  });

  it.each(CALLS.map((words) => [named(words), words] as const))(
    'is safe in a pipe: %s',
    async (call, words) => {
      const run = await once(words)(words, { env: { NO_COLOR: '1' } });
      expectSafe(run.stdout + run.stderr, call);
    },
  );

  it.each([
    ['inspect'],
    ['inspect workers'],
    ['inspect jobs -s failed'],
    ['inspect audit'],
    ['result bad'],
    ['inspect job bad'],
  ])('keeps its exact value in JSON that is safe on a terminal: %s', async (call) => {
    const run = await infer.ask([...call.split(' '), '--json']);
    expectSafe(run.stdout, call);
    const texts: string[] = [];
    JSON.parse(run.stdout, (_, value: unknown) => {
      if (typeof value === 'string') texts.push(value);
      return value;
    });
    expect(texts).toContain(HOSTILE);
  });

  describe('printed on a terminal', () => {
    const terminals: ReturnType<typeof openTerminal>[] = [];
    afterEach(() => Promise.all(terminals.splice(0).map((terminal) => terminal.close())));

    it.each([
      ['inspect'],
      ['inspect queues'],
      ['inspect workers'],
      ['inspect jobs -s failed'],
      ['inspect failed'],
      ['inspect job bad'],
      ['inspect audit'],
      ['result bad'],
      ['doctor queues workers'],
    ])('is safe: %s', async (call) => {
      const terminal = openTerminal(infer, redis.url, call.split(' '), { columns: 60, rows: 40 });
      terminals.push(terminal);
      await terminal.ended;
      expectSafe(terminal.screen.all.replaceAll('\r\n', '\n'), call);
      expect(terminal.screen.all).toContain('\\u202e');
    });

    it('is safe in a redrawn view', async () => {
      const terminal = openTerminal(infer, redis.url, ['inspect', '--watch', '0.2'], {
        columns: 100,
        rows: 60,
      });
      terminals.push(terminal);
      const lines = await terminal.shows(/\\u202e/);
      for (const line of lines) expectSafe(line, 'inspect --watch');
      terminal.type('q');
      await terminal.ended;
    });
  });
});
