import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { ClientPlan } from './client-loop.js';
import { cleanEnvironment } from './processes.js';

export interface ClientProgram {
  file: string;
  remove(): void;
}

/** The client program as plain JavaScript, below node_modules so that it finds its packages. */
export async function buildClient(root: string): Promise<ClientProgram> {
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const dir = mkdtempSync(join(cache, 'infer-chaos-'));
  const file = join(dir, 'client.mjs');
  await build({
    entryPoints: [join(root, 'test/chaos/client-main.ts')],
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
  });
  return { file, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

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
