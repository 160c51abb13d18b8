import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientPlan } from './client-loop.js';
import { cleanEnvironment } from './processes.js';

/** A client in a process of its own. */
export class ClientProcess {
  private readonly child: ChildProcess;

  constructor(program: string, plan: ClientPlan, place: { dir: string; env: Record<string, string> }) {
    const log = openSync(join(place.dir, `client-${plan.name}.log`), 'a');
    this.child = spawn(process.execPath, [program, JSON.stringify(plan)], {
      cwd: place.dir,
      env: cleanEnvironment(place.env),
      stdio: ['pipe', log, log],
    });
    closeSync(log);
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  get isUp(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Lets it finish what it began; answers whether it ended by itself. */
  async stop(timeoutMs: number): Promise<boolean> {
    if (!this.isUp) return this.child.exitCode === 0;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.killNow(), timeoutMs);
    await gone;
    clearTimeout(timer);
    return this.child.exitCode === 0;
  }

  killNow(): void {
    this.child.kill('SIGKILL');
  }
}
