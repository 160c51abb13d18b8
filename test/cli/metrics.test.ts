import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { aclRules } from '../../src/lib/redis/acl.js';
import { denials, setUser } from '../support/acl.js';
import { type Started, says, until, useInfer } from '../support/cli.js';
import { DIGITS_FILE, ONE_DIGIT } from '../support/digits.js';
import { exposedValue, parseExposition } from '../support/exposition.js';
import { freePort } from '../support/ports.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

const PASSWORD = 'only-l00king';
const readOnly = () => ({
  INFER_REDIS_URL: `redis://looker@127.0.0.1:${redis.port}`,
  INFER_REDIS_PASSWORD: PASSWORD,
});
const promtool = spawnSync('promtool', ['--version']).error === undefined;

interface Exporter {
  process: Started;
  url: string;
  get(path: string, headers?: Record<string, string>): Promise<{ status: number; text: string }>;
}

async function exporter(args: string[] = [], env: Record<string, string> = readOnly()): Promise<Exporter> {
  const port = await freePort();
  const child = infer.start(['metrics', '--port', String(port), ...args], { redis: null, env });
  await says(child, 'ready:');
  const url = `http://127.0.0.1:${port}`;
  return {
    process: child,
    url,
    get: async (path, headers = {}) => {
      const answer = await fetch(url + path, { headers });
      return { status: answer.status, text: await answer.text() };
    },
  };
}

async function ended({ process }: Exporter, signal: NodeJS.Signals = 'SIGTERM') {
  process.kill(signal);
  return process;
}

beforeAll(async () => {
  await setUser(redis, 'looker', PASSWORD, aclRules('inspector', 'infer'));
});

describe('infer metrics', () => {
  it('exports what workers did to Prometheus, as a read-only user', async () => {
    const worker = await infer.worker(['-Q', 'realtime,batch', '--name', 'one']);
    const served = await exporter();
    const scrape = async () => parseExposition((await served.get('/metrics')).text);
    const before = await scrape();
    expect(exposedValue(before, 'infer_up')).toBe(1);
    expect(exposedValue(before, 'infer_workers', { state: 'ready' })).toBe(1);

    await infer.run(['submit', DIGITS_FILE, '-Q', 'batch', '--wait']);
    await infer.run(['submit', ONE_DIGIT, '--wait']);
    await infer.run(['submit', ONE_DIGIT, '-Q', 'unserved', '-p', '9']);
    await infer.run(['submit', ONE_DIGIT, '-Q', 'unserved', '-p', '9']);
    const metrics = await until(async () => {
      const now = await scrape();
      return exposedValue(now, 'infer_rows_total', { queue: 'realtime' }) === 1 ? now : undefined;
    });
    const value = (name: string, labels: Record<string, string>) => exposedValue(metrics, name, labels);
    const batch = { queue: 'batch' };
    expect(value('infer_rows_total', batch)).toBe(397);
    const jobs = value('infer_jobs_submitted_total', batch);
    expect(jobs).toBeGreaterThan(0);
    expect(value('infer_jobs_completed_total', batch)).toBe(jobs);
    expect(value('infer_queue_jobs', { ...batch, state: 'completed' })).toBe(jobs);
    for (const name of ['infer_job_wait_seconds', 'infer_job_run_seconds', 'infer_job_duration_seconds']) {
      expect(value(`${name}_count`, batch), name).toBe(jobs);
      expect(value(`${name}_sum`, batch), name).toBeGreaterThan(0);
    }
    expect(value('infer_batch_rows_sum', batch)).toBe(397);
    const runs = metrics.get('infer_batches_total')?.samples.filter(({ labels }) => labels.queue === 'batch');
    expect(runs?.reduce((sum, sample) => sum + sample.value, 0)).toBe(value('infer_batch_rows_count', batch));
    const model = { ...batch, model: 'digits' };
    expect(value('infer_model_jobs_total', { ...model, state: 'completed' })).toBe(jobs);
    expect(value('infer_model_rows_total', model)).toBe(397);
    expect(value('infer_model_run_seconds_count', model)).toBe(jobs);
    expect(value('infer_model_batch_rows_sum', model)).toBe(397);
    expect(value('infer_queue_waiting_jobs', { queue: 'unserved', priority: '9' })).toBe(2);
    expect(value('infer_queue_oldest_waiting_age_seconds', { queue: 'unserved' })).toBeGreaterThan(0);
    expect(value('infer_queue_workers', { queue: 'unserved' })).toBe(0);
    expect(value('infer_queue_workers', batch)).toBe(1);
    expect(value('infer_worker_rows_total', { worker: 'one' })).toBe(398);
    expect(value('infer_worker_resident_memory_bytes', { worker: 'one' })).toBeGreaterThan(1e7);
    expect(value('infer_model_workers', { model: 'digits' })).toBe(1);
    expect(value('infer_redis_memory_used_bytes', {})).toBeGreaterThan(1e5);

    // A worker's counts remain when it leaves.
    expect(await worker.stop()).toBe(0);
    const after = await scrape();
    expect(exposedValue(after, 'infer_workers', { state: 'ready' })).toBe(0);
    expect(exposedValue(after, 'infer_rows_total', batch)).toBe(397);
    expect(after.has('infer_worker_rows_total')).toBe(false);

    const end = await ended(served);
    expect(end.exitCode).toBe(0);
    expect(end.stdout).toBe('');
    expect(await denials(redis)).toEqual([]);
  });

  it('prints finished work with --once, as text or JSON', async () => {
    const worker = await infer.worker(['-Q', 'once']);
    await infer.run(['submit', ONE_DIGIT, '-Q', 'once', '--wait']);
    const done = await until(async () => {
      const run = await infer.run(['metrics', '--once', '-Q', 'once'], { redis: null, env: readOnly() });
      expect(run).toMatchObject({ exitCode: 0, stderr: '' });
      const metrics = parseExposition(run.stdout);
      return exposedValue(metrics, 'infer_rows_total') === 1 ? metrics : undefined;
    });
    expect(done.get('infer_rows_total')?.samples).toHaveLength(1);
    const json = await infer.run(['metrics', '--once', '--json', '-Q', 'once']);
    expect(json.json<{ metrics: unknown[] }>().metrics).toContainEqual({
      name: 'infer_rows_total',
      type: 'counter',
      labels: { queue: 'once' },
      value: 1,
    });
    await worker.stop();
  });

  it.skipIf(!promtool)('passes promtool (skipped where it is not installed)', async () => {
    const { stdout } = await infer.run(['metrics', '--once']);
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: stdout, encoding: 'utf8' });
    expect(`${checked.stdout}${checked.stderr}`).toBe('');
    expect(checked.status).toBe(0);
  });

  it('answers while Redis is unreachable, and reports it up again afterwards', async () => {
    const served = await exporter();
    const state = async () => exposedValue(parseExposition((await served.get('/metrics')).text), 'infer_up');
    expect(await state()).toBe(1);
    expect((await served.get('/readyz')).status).toBe(200);
    await redis.kill();
    expect(await state()).toBe(0);
    const away = parseExposition((await served.get('/metrics')).text);
    expect(exposedValue(away, 'infer_scrape_errors_total', { code: 'REDIS_UNREACHABLE' })).toBeGreaterThan(0);
    expect(away.has('infer_queue_jobs')).toBe(false);
    expect((await served.get('/readyz')).text).toContain('REDIS_UNREACHABLE');
    expect((await served.get('/readyz')).status).toBe(503);
    expect(await served.get('/healthz')).toEqual({ status: 200, text: 'ok\n' });
    await redis.restart();
    await setUser(redis, 'looker', PASSWORD, aclRules('inspector', 'infer'));
    await until(async () => ((await state()) === 1 ? true : undefined));
    expect((await served.get('/readyz')).status).toBe(200);
    const end = await ended(served, 'SIGINT');
    expect(end.exitCode).toBe(0);
    expect(end.stderr).toMatch(/Redis cannot be read: .*\n.*Redis is back/s);
    expect(end.stderr.match(/cannot be read/g)).toHaveLength(1);
  });

  it('starts before Redis does', async () => {
    const port = await freePort();
    const served = await exporter([], { INFER_REDIS_URL: `redis://127.0.0.1:${port}` });
    expect(exposedValue(parseExposition((await served.get('/metrics')).text), 'infer_up')).toBe(0);
    expect((await ended(served)).stderr).toMatch(/\/metrics says infer_up 0 until it answers/);
  });

  it('answers within its time limit when Redis accepts connections but never answers', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const served = await exporter(['--timeout', '500ms'], { INFER_REDIS_URL: `redis://127.0.0.1:${port}` });
    const began = performance.now();
    const scrapes = await Promise.all([
      served.get('/metrics'),
      served.get('/metrics'),
      served.get('/metrics'),
    ]);
    expect(performance.now() - began).toBeLessThan(20_000);
    expect(scrapes.map(({ text }) => exposedValue(parseExposition(text), 'infer_up'))).toEqual([0, 0, 0]);
    await ended(served);
    silent.close();
  });

  it('requires the token where one is set, except on probes', async () => {
    const served = await exporter([], { ...readOnly(), INFER_METRICS_TOKEN: 't0ken' });
    expect((await served.get('/metrics')).status).toBe(401);
    expect((await served.get('/metrics', { Authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await served.get('/metrics', { Authorization: 'Bearer t0ken' })).status).toBe(200);
    expect((await served.get('/healthz')).status).toBe(200);
    expect((await served.get('/readyz')).status).toBe(200);
    const { stderr } = await ended(served);
    expect(stderr).not.toContain('t0ken');
  });

  it('is read-only: other methods and paths are rejected', async () => {
    const served = await exporter();
    expect((await fetch(`${served.url}/metrics`, { method: 'POST', body: 'x' })).status).toBe(405);
    expect((await fetch(`${served.url}/metrics`, { method: 'HEAD' })).status).toBe(200);
    expect((await served.get('/nothing')).status).toBe(404);
    await ended(served);
  });

  it('says what to do when the port is in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const run = await infer.run(['metrics', '--port', String(port)]);
    expect(run.exitCode).toBe(69);
    expect(run.stderr).toMatch(
      new RegExp(`another program already listens on 127.0.0.1:${port}: node.*, pid ${process.pid}`),
    );
    expect(run.stderr).toMatch(/Try: give another port, such as --port \d+/);
    taken.close();
  });

  it.each([
    [['--host', '203.0.113.9'], 2, /cannot listen on 203\.0\.113\.9:9464/],
    [['--port', '70000'], 2, /--port/],
    [['--timeout', 'soon'], 2, /'soon' is not a duration/],
    [['-Q', 'a b'], 2, /is not a queue name/],
  ])('rejects %j', async (args, code, message) => {
    const run = await infer.run(['metrics', ...args]);
    expect(run.exitCode).toBe(code);
    expect(run.stderr).toMatch(message);
  });

  it('does not start with a wrong password, and fails with --once without a Redis', async () => {
    const wrong = await infer.run(['metrics'], {
      env: { ...readOnly(), INFER_REDIS_PASSWORD: 'wr0ng-one' },
    });
    expect(wrong.exitCode).toBe(77);
    expect(wrong.stderr).not.toContain('wr0ng-one');
    const port = await freePort();
    const none = await infer.run(['metrics', '--once', '--json'], { redis: `redis://127.0.0.1:${port}` });
    expect(none.exitCode).toBe(69);
    expect(none.json()).toMatchObject({ ok: false, error: { code: 'REDIS_UNREACHABLE' } });
  });
});
