import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanEnvironment, isAlive } from '../chaos/processes.js';
import type { LoadReport } from './load.js';
import type { LoadPlan } from './load-main.js';

export interface Place {
  root: string;
  dir: string;
  env: Record<string, string>;
}

const POLL_MS = 30_000;
const MB = 1024 * 1024;

/** Resident memory of a process in MB, from /proc (Linux only); NaN once it has exited. */
export function residentMB(pid: number | undefined): number {
  if (pid === undefined || !isAlive(pid)) return Number.NaN;
  try {
    const kb = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return (Number(kb) * 1024) / MB;
  } catch {
    return Number.NaN;
  }
}

/** A process of the soak that should not exit unasked. */
export class Supervised {
  protected readonly child: ChildProcess;
  private ending = false;
  /** Its exit code or signal, if it exited on its own. */
  ended: string | undefined;

  constructor(
    readonly name: string,
    args: readonly string[],
    place: Place,
    channel: boolean,
  ) {
    const log = openSync(join(place.dir, `${name}.log`), 'a');
    this.child = spawn(process.execPath, args, {
      cwd: place.dir,
      env: cleanEnvironment(place.env),
      stdio: channel ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
    });
    closeSync(log);
    this.child.once('exit', (code, signal) => {
      if (!this.ending) this.ended = `${name} (${signal ?? `exit code ${code}`})`;
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** SIGTERM, then SIGKILL if that has no effect. */
  async stop(timeoutMs: number): Promise<void> {
    const gone = this.expectEnd();
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.killNow(), timeoutMs);
    await gone;
    clearTimeout(timer);
  }

  killNow(): void {
    this.ending = true;
    this.child.kill('SIGKILL');
  }

  protected expectEnd(): Promise<unknown> {
    this.ending = true;
    const { child } = this;
    return child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : once(child, 'exit');
  }
}

/** A client under load in its own process. */
export class LoadProcess extends Supervised {
  constructor(program: string, plan: LoadPlan, place: Place) {
    super(plan.name, [program, JSON.stringify(plan)], place, true);
  }

  async report(): Promise<LoadReport | undefined> {
    return this.ask('report', POLL_MS);
  }

  /** Lets it finish what it began; returns its last report. */
  async finish(timeoutMs: number): Promise<LoadReport | undefined> {
    const gone = this.expectEnd();
    const report = await this.ask('stop', timeoutMs);
    if (report === undefined) this.killNow();
    await gone;
    return report;
  }

  private async ask(what: 'report' | 'stop', timeoutMs: number): Promise<LoadReport | undefined> {
    if (!this.child.connected) return undefined;
    const limit = AbortSignal.timeout(timeoutMs);
    const heard = once(this.child, 'message', { signal: limit });
    this.child.send(what);
    const [report] = (await heard.catch(() => [])) as [LoadReport?];
    return report;
  }
}

/** Runs one command of infer to its end; returns why it failed, if it did. */
export function runCommand({ root, dir, env }: Place, args: readonly string[]): Promise<string | undefined> {
  const options = { cwd: dir, env: cleanEnvironment(env), timeout: POLL_MS, maxBuffer: 16 * MB };
  return new Promise((resolve) => {
    execFile(process.execPath, [join(root, 'bin/run.js'), ...args], options, (error, _, stderr) => {
      if (error === null) resolve(undefined);
      else resolve(`infer ${args.join(' ')}: exit ${error.code ?? error.signal}: ${stderr.slice(0, 200)}`);
    });
  });
}
