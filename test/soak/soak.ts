import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { checkBounds, type KeyCount, readKeyFacts } from '../chaos/key-bounds.js';
import { unended } from '../chaos/keyspace.js';
import { ChaosRedis } from '../chaos/redis-server.js';
import { WorkerProcess } from '../chaos/worker-process.js';
import { freePort } from '../support/ports.js';
import { buildProgram } from '../support/program.js';
import { inScratchDir } from '../support/scratch-dir.js';
import { FRAGILE, FRAGILE_QUEUE, MODELS, writeModels } from './models.js';
import { NEEDED } from './operations.js';
import { Polls } from './polls.js';
import { LoadProcess, type Place, residentMB, Supervised } from './processes.js';
import { head, line } from './report.js';
import { lookAt, type Row, seriesOf } from './samples.js';
import { faultsOf, type Judgement, judge, type Totals } from './verdict.js';

export interface SoakOptions {
  /** Of the repository, with `dist` built. */
  root: string;
  minutes: number;
  /** Jobs a second. */
  rate: number;
  seed: number;
  keep?: boolean | undefined;
  print(line: string): void;
}

export interface SoakReport {
  rows: Row[];
  judgements: Judgement[];
  /** Other things that were not as required. */
  faults: string[];
  totals: Totals;
  outcomes: Record<string, number>;
  /** Keys by kind, when all jobs had ended. */
  kinds: KeyCount[];
  looks: number;
  scrapes: number;
  dir: string | undefined;
}

const PREFIX = 'soak';
const QUEUES = ['realtime', 'batch', FRAGILE_QUEUE];
const CLIENTS = 2;
/** Results expire soon, so that the number of keys has peaked before the second half begins. */
const RESULT_TTL_S = 30;
const SMALL = ['--threads', '1', '--provider', 'cpu', '--failed-ttl', '1m'];
const ROW_MS = 60_000;
/** Short runs have this many rows. */
const LEAST_ROWS = 12;
const MEMORY_LOOKS = 10;
const FINISH_MS = 90_000;
const STOP_MS = 20_000;
const START_MS = 30_000;
/** The longest a worker may take to notice that it is stopped. */
const DRAIN_MS = 60_000;

/** Starts everything, loads it for the requested time, and judges. Leaves nothing behind. */
export function runSoak(options: SoakOptions): Promise<SoakReport> {
  return inScratchDir('infer-soak-', options.keep, (dir, last) => new Soak(options, dir, last).run());
}

class Soak {
  private readonly rows: Row[] = [];
  private readonly began = performance.now();
  /** Jobs and milliseconds of all rows. */
  private jobs = 0;
  private ms = 0;
  private clients: LoadProcess[] = [];
  private runner: number | undefined;

  constructor(
    private readonly options: SoakOptions,
    private readonly dir: string,
    private readonly last: (() => void)[],
  ) {}

  async run(): Promise<SoakReport> {
    const { root, print } = this.options;
    const models = join(this.dir, 'models');
    mkdirSync(models);
    writeModels(root, models);
    const program = await buildProgram(root, 'test/soak/load-main.ts');
    this.last.push(() => program.remove());
    const password = 'soak';
    const redis = await ChaosRedis.start(this.dir, password, { durable: false });
    this.last.push(() => redis.killNow());
    const admin = redis.client();
    this.last.push(() => admin.disconnect());
    const url = `redis://:${password}@127.0.0.1:${redis.port}`;
    const env = { INFER_PREFIX: PREFIX, INFER_REDIS_URL: url, INFER_STATE_DIR: join(this.dir, 'state') };
    const place: Place = { root, dir: this.dir, env };

    const worker = this.worker('main', 'realtime,batch', MODELS, redis.port, models, password);
    const fragile = this.worker('fragile', FRAGILE_QUEUE, [FRAGILE], redis.port, models, password);
    await Promise.all([worker.start(), fragile.start()]);
    [this.runner] = worker.noteChildren();
    const metrics = await this.startMetrics(place);
    this.startClients(program.file, place, url);
    const polls = new Polls(place, metrics.url);
    polls.start();
    print(`${this.options.rate} jobs/s of ${CLIENTS} clients for ${this.options.minutes} minutes`);

    const pids = () => ({
      worker: worker.pid,
      runner: this.runner,
      ...Object.fromEntries(this.clients.map((client) => [client.name, client.pid])),
      fragile: fragile.pid,
      metrics: metrics.process.pid,
    });
    await this.watch(admin, pids);

    const reports = await Promise.all(this.clients.map((client) => client.finish(FINISH_MS)));
    await polls.stop();
    const left = await this.drain(admin);
    const known = { queues: QUEUES.length, models: MODELS.length + 1, workers: 2 };
    const bounds = checkBounds(await readKeyFacts(admin, PREFIX), PREFIX, known);
    const supervised = [metrics.process, ...this.clients];
    const replaced = supervised.flatMap(({ ended }) => ended ?? []);
    if (worker.starts > 1) replaced.push(`the main worker, ${worker.starts - 1} times`);
    if (fragile.starts > 1) replaced.push(`the fragile worker, ${fragile.starts - 1} times`);
    if (worker.noteChildren()[0] !== this.runner) replaced.push('the runner of the main worker');
    await metrics.process.stop(STOP_MS);
    await Promise.all([worker, fragile].map((one) => one.drain(DRAIN_MS, false)));

    const outcomes = merged(reports.map((report) => report?.outcomes));
    const unexpected = {
      ...merged(reports.map((report) => report?.unexpected)),
      ...Object.fromEntries(polls.failures),
    };
    reports.forEach((report, i) => {
      if (report === undefined) replaced.push(`client-${i + 1} gave no last report`);
    });
    const totals: Totals = {
      rate: this.options.rate,
      reached: (this.jobs / this.ms) * 1000,
      unexpected: Object.entries(unexpected).map(([what, count]) => `${what} (${count} times)`),
      unused: NEEDED.filter((what) => outcomes[what] === undefined),
      replaced,
      unended: left,
      unbounded: bounds.unbounded.slice(0, 20),
    };
    return {
      rows: this.rows,
      judgements: seriesOf(this.rows).map(judge),
      faults: faultsOf(totals),
      totals,
      outcomes,
      kinds: bounds.counts,
      looks: polls.looks,
      scrapes: polls.scrapes,
      dir: this.options.keep ? this.dir : undefined,
    };
  }

  private worker(
    name: string,
    queues: string,
    names: readonly string[],
    port: number,
    models: string,
    password: string,
  ): WorkerProcess {
    const plan = { name, queues: [queues], flags: [...SMALL, ...names.flatMap((one) => ['-m', one])], port };
    const env = { INFER_PREFIX: PREFIX, INFER_REDIS_PASSWORD: password };
    const worker = new WorkerProcess(plan, { root: this.options.root, dir: this.dir, models, env });
    this.last.push(() => worker.killNow());
    return worker;
  }

  private async startMetrics(place: Place): Promise<{ process: Supervised; url: string }> {
    const port = await freePort();
    const args = [join(place.root, 'bin/run.js'), 'metrics', '--port', String(port)];
    const server = new Supervised('metrics', args, place, false);
    this.last.push(() => server.killNow());
    const url = `http://127.0.0.1:${port}`;
    const deadline = performance.now() + START_MS;
    const isUp = () =>
      fetch(`${url}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (!(await isUp())) {
      if (performance.now() > deadline) throw new Error(`infer metrics does not start, see ${this.dir}`);
      await delay(50);
    }
    return { process: server, url: `${url}/metrics` };
  }

  private startClients(program: string, place: Place, redis: string): void {
    const { root, rate, seed } = this.options;
    for (let number = 1; number <= CLIENTS; number++) {
      const plan = {
        name: `client-${number}`,
        seed: seed * 101 + number,
        rate: rate / CLIENTS,
        redis,
        resultTtl: RESULT_TTL_S,
        library: join(root, 'dist/lib/index.js'),
      };
      const client = new LoadProcess(program, plan, place);
      this.last.push(() => client.killNow());
      this.clients.push(client);
    }
  }

  /** Samples until the time is over, and prints a row for each period. */
  private async watch(admin: Redis, pids: () => Record<string, number | undefined>): Promise<void> {
    const total = this.options.minutes * 60_000;
    const rowMs = Math.min(ROW_MS, total / LEAST_ROWS);
    for (let at = performance.now(), end = at + total; at < end - 1; ) {
      const memory: Record<string, number[]> = {};
      for (let look = 1; look <= MEMORY_LOOKS; look++) {
        await delay(Math.max(0, at + (rowMs * look) / MEMORY_LOOKS - performance.now()));
        for (const [name, pid] of Object.entries(pids())) {
          memory[name] = [...(memory[name] ?? []), residentMB(pid)];
        }
      }
      const ms = performance.now() - at;
      at += ms;
      const row = await this.row(admin, ms, memory);
      if (this.rows.length === 0) this.options.print(head(row));
      this.rows.push(row);
      this.options.print(line(row));
    }
  }

  private async row(admin: Redis, ms: number, memory: Record<string, number[]>): Promise<Row> {
    const reports = await Promise.all(this.clients.map((client) => client.report()));
    const jobs = reports.reduce((sum, report) => sum + (report?.jobs ?? 0), 0);
    this.jobs += jobs;
    this.ms += ms;
    const slowest = (times: (number | undefined)[]) => Math.max(...times.map((time) => time ?? Number.NaN));
    return {
      minute: (performance.now() - this.began) / 60_000,
      rate: (jobs / ms) * 1000,
      p50: slowest(reports.map((report) => report?.p50)),
      p99: slowest(reports.map((report) => report?.p99)),
      ...(await lookAt(admin, PREFIX, QUEUES)),
      memory: Object.fromEntries(Object.entries(memory).map(([name, values]) => [name, middle(values)])),
    };
  }

  /** Returns how many jobs have not ended after a while. */
  private async drain(admin: Redis): Promise<number> {
    const deadline = performance.now() + FINISH_MS;
    for (;;) {
      const left = await unended(admin, PREFIX, QUEUES);
      if (left === 0 || performance.now() > deadline) return left;
      await delay(200);
    }
  }
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function merged(counts: readonly (Record<string, number> | undefined)[]): Record<string, number> {
  const all: Record<string, number> = {};
  for (const one of counts) {
    for (const [what, count] of Object.entries(one ?? {})) all[what] = (all[what] ?? 0) + count;
  }
  return all;
}
