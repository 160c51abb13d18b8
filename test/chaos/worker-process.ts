import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { childrenOf, cleanEnvironment, isAlive, signal, skewed } from './processes.js';

export interface WorkerPlan {
  name: string;
  queues: string[];
  /** Flags besides queues and name. */
  flags: string[];
  /** Redis port: the server's own or a proxy's. */
  port: number;
  /** Of Redis, where it is not on a port of its own. */
  url?: string | undefined;
}

export interface WorkerPlace {
  root: string;
  dir: string;
  models: string;
  env: Record<string, string>;
}

const READY_MS = 60_000;
const RESTART_MS = 1000;

/** One supervised `infer worker`: it is restarted when it exits unasked. */
export class WorkerProcess {
  readonly log: string;
  /** Every process this worker ever had, runners included as far as seen. */
  readonly pids = new Set<number>();
  /** Those that were killed without a shutdown. */
  readonly killed = new Set<number>();
  starts = 0;
  /** How far its host's clock is ahead from its next start on, ms. */
  skewMs = 0;
  private child: ChildProcess | undefined;
  private wanted = false;

  constructor(
    readonly plan: WorkerPlan,
    private readonly place: WorkerPlace,
  ) {
    this.log = join(place.dir, `worker-${plan.name}.log`);
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get isUp(): boolean {
    const { child } = this;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Starts it and waits for its ready line. */
  async start(): Promise<void> {
    this.wanted = true;
    this.spawn();
    await this.ready();
  }

  /** The "ready" line of its latest start; it is restarted while Redis or its GPU is not available. */
  async ready(): Promise<void> {
    const deadline = Date.now() + READY_MS;
    for (;;) {
      const text = readFileSync(this.log, 'utf8');
      const latest = text.slice(text.lastIndexOf(startLine(this.starts)));
      if (this.isUp && /^ready/m.test(latest)) break;
      if (Date.now() > deadline) throw new Error(`worker ${this.plan.name} is not ready, see ${this.log}`);
      await delay(50);
    }
    this.noteChildren();
  }

  /** Runner processes; remembered so that their exit can be checked. */
  noteChildren(): number[] {
    const children = this.pid === undefined ? [] : childrenOf(this.pid);
    for (const pid of children) this.pids.add(pid);
    return children;
  }

  /** SIGKILL; it is restarted a second later. */
  kill(): void {
    this.noteChildren();
    if (this.pid !== undefined) this.killed.add(this.pid);
    signal(this.pid, 'SIGKILL');
  }

  pause(): void {
    signal(this.pid, 'SIGSTOP');
  }

  resume(): void {
    signal(this.pid, 'SIGCONT');
  }

  /** SIGTERM and wait for the exit; returns the exit code, null when a signal had to end it. */
  async drain(timeoutMs: number, comesBack: boolean): Promise<number | null> {
    this.wanted = comesBack;
    const { child } = this;
    if (child === undefined || !this.isUp) return null;
    this.noteChildren();
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => this.kill(), timeoutMs);
    await gone;
    clearTimeout(timer);
    return child.exitCode;
  }

  /** Immediately and permanently, for a harness that is itself being ended. */
  killNow(): void {
    this.wanted = false;
    for (const pid of [...this.noteChildren(), ...(this.isUp ? [this.pid] : [])]) signal(pid, 'SIGKILL');
  }

  alive(): number[] {
    return [...this.pids].filter(isAlive);
  }

  private spawn(): void {
    const { plan, place } = this;
    this.starts += 1;
    const log = openSync(this.log, 'a');
    writeSync(log, startLine(this.starts));
    const program = join(place.root, 'bin/run.js');
    const args = [program, 'worker', '-Q', plan.queues.join(','), '--name', plan.name, ...plan.flags];
    const child = spawn(process.execPath, args, {
      cwd: place.dir,
      env: cleanEnvironment({
        ...place.env,
        INFER_REDIS_URL: plan.url ?? `redis://127.0.0.1:${plan.port}`,
        INFER_MODELS_DIR: place.models,
        ...skewed(this.skewMs),
      }),
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.child = child;
    if (child.pid !== undefined) this.pids.add(child.pid);
    child.once('exit', () => {
      if (this.wanted) setTimeout(() => this.wanted && this.spawn(), RESTART_MS);
    });
  }
}

function startLine(start: number): string {
  return `-- start ${start}\n`;
}
