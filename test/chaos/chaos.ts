import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { buildProgram } from '../support/program.js';
import { inScratchDir } from '../support/scratch-dir.js';
import { aftermath } from './aftermath.js';
import { check, type Limits, type Violation } from './checker.js';
import type { ClientPlan } from './client-loop.js';
import { ClientProcess } from './client-process.js';
import { FailoverServers } from './failover-servers.js';
import {
  injure,
  isFault,
  mayLapse,
  SKEWS,
  schedule,
  type TroubleName,
  USUAL,
  type Victims,
} from './faults.js';
import { HistoryWriter, readHistories } from './history.js';
import { VALUE_LIMIT, writeModels } from './inputs.js';
import { unended } from './keyspace.js';
import { Oracle } from './oracle.js';
import { FaultProxy } from './proxy.js';
import { random } from './random.js';
import type { FaultRecord, FinalState, HistoryEvent } from './records.js';
import { ChaosRedis, type ChaosServer } from './redis-server.js';
import { Watcher } from './watcher.js';
import { WorkerProcess } from './worker-process.js';

export interface ChaosOptions {
  /** Of the repository, with `dist` built. */
  root: string;
  seed: number;
  /** Faults are injected for this long, or `rounds` of them. */
  minutes?: number | undefined;
  rounds?: number | undefined;
  faults?: readonly TroubleName[] | undefined;
  workers?: number | undefined;
  clients?: number | undefined;
  /** Longest pause between two faults [3000]. */
  calmMs?: number | undefined;
  /** Keeps the folder with logs and histories. */
  keep?: boolean | undefined;
  print(line: string): void;
}

export interface ChaosReport {
  violations: Violation[];
  faults: FaultRecord[];
  history: HistoryEvent[];
  state: FinalState;
  /** Outcomes that Redis refused because another worker had the job. */
  refused: number;
  dir: string | undefined;
}

export const QUEUES = ['realtime', 'batch'];
export const PREFIX = 'chaos';
const LOCK_MS = 2000;
/** A server whose value size limit is below some results. */
const LIMITED = ['--proto-max-bulk-len', String(VALUE_LIMIT)];
const LOOPS = 4;
const PAUSE_MS = 60;
const CALM_MS = 3000;
/** After a fault: the time of a lock and two recovery passes. */
const SETTLE_MS = 1500;
const DRAINED_MS = 90_000;
const CLIENT_STOP_MS = 40_000;

const LIMITS: Omit<Limits, 'mayLapse'> = {
  memorySlack: 400_000,
  unlockedMs: 2500,
  shortestRecordS: 60,
  maxLapses: 3,
  maxAttempts: 3,
};

const BACKLOG_SLACK = 4_000_000;

/** One run: start, inject faults, heal, wait, inspect, check. Leaves nothing behind. */
export function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  return inScratchDir('infer-chaos-', options.keep, (dir, last) => new Run(options, dir, last).run());
}

class Run {
  private readonly random;
  private readonly password: string;
  private readonly env: Record<string, string>;
  private readonly resultTtl: number;
  private workers: WorkerProcess[] = [];
  private clients: ClientProcess[] = [];
  private readonly faults: FaultRecord[] = [];
  private readonly histories: string[] = [];

  constructor(
    private readonly options: ChaosOptions,
    private readonly dir: string,
    private readonly last: (() => void)[],
  ) {
    this.random = random(options.seed);
    this.password = `secret-${options.seed}-5d0e7b`;
    this.resultTtl = Math.max(3600, Math.ceil((options.minutes ?? 0) * 120));
    this.env = {
      INFER_PREFIX: PREFIX,
      INFER_LOCK_TTL: `${LOCK_MS}ms`,
      INFER_REDIS_PASSWORD: this.password,
      INFER_STATE_DIR: join(dir, 'state'),
    };
  }

  async run(): Promise<ChaosReport> {
    const { root, print } = this.options;
    const models = join(this.dir, 'models');
    mkdirSync(models);
    writeModels(root, models);
    const program = await buildProgram(root, 'test/chaos/client-main.ts');
    this.last.push(() => program.remove());
    const { dir, password } = this;
    const args = this.has('oversized') ? LIMITED : [];
    const servers = this.has('failover') ? await FailoverServers.start(dir, password, args) : undefined;
    const redis = servers === undefined ? await ChaosRedis.start(dir, password, { args }) : undefined;
    const server = servers ?? (redis as ChaosServer);
    this.last.push(() => server.killNow());
    const admin = server.client();
    this.last.push(() => admin.disconnect());
    const memoryBefore = await usedMemory(admin);
    const proxies = {
      clients: await FaultProxy.open(redis?.port ?? 0),
      workers: await FaultProxy.open(redis?.port ?? 0),
      others: await FaultProxy.open(redis?.port ?? 0),
    };
    for (const proxy of Object.values(proxies)) this.last.push(() => void proxy.close());

    this.workers = this.planWorkers(proxies.others.port, proxies.workers.port).map(
      (plan) =>
        new WorkerProcess({ ...plan, url: servers?.url }, { root, dir: this.dir, models, env: this.env }),
    );
    this.workers.forEach((worker, i) => {
      worker.skewMs = this.skew(i);
      this.last.push(() => worker.killNow());
    });
    await Promise.all(this.workers.map((worker) => worker.start()));
    this.startClients(program.file, servers?.url ?? `redis://127.0.0.1:${proxies.clients.port}`);
    print(`${this.workers.length} workers ready, ${this.clients.length} clients at work`);

    const watcher = new Watcher(admin, PREFIX, QUEUES);
    this.last.push(() => void watcher.stop());
    watcher.start();
    const { workers, clients } = this;
    const skews = this.has('clock-skew');
    const place = { prefix: PREFIX, queues: QUEUES, lockMs: LOCK_MS };
    const own = join(this.dir, 'harness.ndjson');
    const harness = new HistoryWriter(own, 'harness');
    this.histories.push(own);
    await this.disturb(
      { ...place, redis, servers, admin, workers, clients, proxies, skews, history: harness },
      watcher,
    );
    harness.close();
    await this.bringToRest(admin);
    await watcher.stop();

    const state = await aftermath({
      redis: server,
      admin,
      workers,
      root,
      dir: this.dir,
      env: this.env,
      password: this.password,
      resultTtl: this.resultTtl,
      histories: this.histories,
      watcher,
      memoryBefore,
    });
    const history = readHistories(this.histories);
    const works = history.flatMap((event) => (event.work === undefined ? [] : [event.work]));
    const oracle = await Oracle.of(root, works);
    // A master keeps what its replicas may request again.
    const memorySlack = servers === undefined ? LIMITS.memorySlack : BACKLOG_SLACK;
    const limits = { ...LIMITS, memorySlack, mayLapse: this.faults.some(({ kind }) => mayLapse(kind)) };
    const violations = check(history, state.final, oracle.answer, limits, Date.now());
    const { final, refused } = state;
    const kept = this.options.keep ? dir : undefined;
    return { violations, faults: this.faults, history, state: final, refused, dir: kept };
  }

  /**
   * One behind the proxy that fails, one behind one that mostly works, and one for the batch lane only that holds a GPU
   * lease.
   */
  private planWorkers(passing: number, failing: number) {
    const small = ['--threads', '1', '--provider', 'cpu'];
    const plans = [
      { name: 'one', queues: ['realtime', 'batch'], flags: small, port: passing },
      { name: 'two', queues: ['realtime', 'batch'], flags: small, port: failing },
      { name: 'three', queues: ['batch'], flags: [...small, '--gpu', '0'], port: passing },
    ];
    return plans.slice(0, this.options.workers ?? 3);
  }

  private has(name: TroubleName): boolean {
    return (this.options.faults ?? USUAL).includes(name);
  }

  /** Of the host of the worker or client with this number. */
  private skew(number: number): number {
    return this.has('clock-skew') ? (SKEWS[number % SKEWS.length] as number) : 0;
  }

  private startClients(program: string, redis: string): void {
    const { seed, root, clients = 2 } = this.options;
    for (let number = 1; number <= clients; number++) {
      const name = `client-${number}`;
      const plan: ClientPlan = {
        name,
        seed: seed * 101 + number,
        number,
        loops: LOOPS,
        pauseMs: PAUSE_MS,
        redis,
        library: join(root, 'dist/lib/index.js'),
        history: join(this.dir, `${name}.ndjson`),
        resultTtl: this.resultTtl,
        starts: 0,
        skewMs: this.skew(number),
        oversized: this.has('oversized'),
        twins: this.has('twin-groups'),
      };
      const client = new ClientProcess(program, plan, { dir: this.dir, env: this.env });
      this.last.push(() => client.killNow());
      this.clients.push(client);
      this.histories.push(plan.history);
    }
  }

  private async disturb(victims: Victims, watcher: Watcher): Promise<void> {
    const { minutes = 1, rounds, faults = USUAL, calmMs = CALM_MS, print } = this.options;
    const kinds = faults.filter(isFault);
    const begin = Date.now();
    const end = rounds === undefined ? begin + minutes * 60_000 : Number.POSITIVE_INFINITY;
    // With run-long conditions only, time passes without injected faults.
    await delay(kinds.length > 0 ? calmMs : Math.min(end - begin, 60_000));
    if (kinds.length === 0) return;
    for (const kind of schedule(kinds, this.random)) {
      if (this.faults.length >= (rounds ?? Number.POSITIVE_INFINITY) || Date.now() + calmMs > end) break;
      const at = ((Date.now() - begin) / 1000).toFixed(1).padStart(6);
      watcher.calm = false;
      const fault = await injure(kind, victims, this.random);
      this.faults.push(fault);
      print(`${at} s  ${kind.padEnd(14)} ${fault.detail}`);
      await delay(Math.max(SETTLE_MS, LOCK_MS + SETTLE_MS - (Date.now() - fault.at)));
      watcher.calm = true;
      await delay(this.random.int(calmMs / 2, calmMs));
    }
  }

  /** All faults are healed: clients learn the outcome of their operations, workers finish the remaining jobs. */
  private async bringToRest(admin: ReturnType<ChaosRedis['client']>): Promise<void> {
    const { print } = this.options;
    const stopped = await Promise.all(this.clients.map((client) => client.stop(CLIENT_STOP_MS)));
    stopped.forEach((well, i) => {
      if (!well) print(`client-${i + 1} did not end by itself`);
    });
    await Promise.all(this.workers.map((worker) => worker.ready()));
    const deadline = Date.now() + DRAINED_MS;
    while ((await unended(admin, PREFIX, QUEUES)) > 0 && Date.now() < deadline) await delay(100);
  }
}

const MEMORY_MS = 5000;

/** After the server's own housekeeping, which frees and shrinks some things with a delay. */
export async function usedMemory(admin: ReturnType<ChaosRedis['client']>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (const end = Date.now() + MEMORY_MS; Date.now() < end; await delay(250)) {
    // A histogram of each command's latency takes 40 KB and holds no data.
    await admin.config('RESETSTAT');
    await admin.call('MEMORY', 'PURGE');
    const used = Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1]);
    const settled = Math.abs(used - least) < 4096;
    least = Math.min(least, used);
    if (settled) break;
  }
  return least;
}
