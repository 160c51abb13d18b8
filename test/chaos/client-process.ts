import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientPlan } from './client-loop.js';
import { cleanEnvironment, skewed } from './processes.js';

/** A client in its own process, which can be killed and restarted. */
export class ClientProcess {
  private child: ChildProcess;

  constructor(
    private readonly program: string,
    private plan: ClientPlan,
    private readonly place: { dir: string; env: Record<string, string> },
  ) {
    this.child = this.spawn();
  }

  get name(): string {
    return this.plan.name;
  }

  get isUp(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** SIGKILL, then a new process of the same client, which resends what had no answer. */
  async crash(skewMs: number): Promise<void> {
    if (this.isUp) {
      const gone = once(this.child, 'exit');
      this.killNow();
      await gone;
    }
    this.plan = { ...this.plan, starts: this.plan.starts + 1, skewMs };
    this.child = this.spawn();
  }

  /** Lets it finish what it began; returns whether it exited on its own. */
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

  private spawn(): ChildProcess {
    const { program, plan, place } = this;
    const log = openSync(join(place.dir, `client-${plan.name}.log`), 'a');
    const child = spawn(process.execPath, [program, JSON.stringify(plan)], {
      cwd: place.dir,
      env: cleanEnvironment({ ...place.env, ...skewed(plan.skewMs) }),
      stdio: ['pipe', log, log],
    });
    closeSync(log);
    return child;
  }
}
