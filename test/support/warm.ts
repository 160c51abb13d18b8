import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('warm-main.mjs', import.meta.url));
/** More at once would wait for the cores. */
const MOST = 3;
/** Only ends a command that hangs. */
const TIMEOUT_MS = 90_000;

export interface WarmRequest {
  args: readonly string[];
  env: Record<string, string>;
  cwd: string;
  stdin: string | Uint8Array | undefined;
}

export interface WarmAnswer {
  exitCode: number;
  /** On its own, when nothing was left to do, or by process.exit. */
  how: 'ended' | 'exited';
  stdout: string;
  stderr: string;
  /** What it left behind. A process of its own would never have exited, if it was to exit on its own. */
  left: string[];
}

/**
 * Processes that have loaded `infer` and run one command at a time: a hundredth of a second instead of a third.
 * Everything that a command leaves in its process stays there for the next, so tests about a process (its start, exit,
 * signals and streams) need a separate one.
 */
export class WarmProcesses {
  readonly #binary: string;
  readonly #entry: string;
  readonly #idle: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();
  readonly #ending: Promise<unknown>[] = [];
  readonly #waiting: ((child: ChildProcess) => void)[] = [];

  readonly #env: Record<string, string>;

  /** @param entry URL of what the binary imports @param env of the processes; a request brings its own */
  constructor(binary: string, entry: URL, env: Record<string, string>) {
    this.#binary = binary;
    this.#entry = entry.href;
    this.#env = env;
  }

  async run(request: WarmRequest): Promise<WarmAnswer> {
    const child = await this.#take();
    const over = new AbortController();
    const ended = once(child, 'exit', { signal: over.signal }).then(([code, signal]) => {
      throw new Error(`infer ${request.args.join(' ')} took its process with it (${signal ?? code})`);
    });
    ended.catch(() => undefined);
    const answer = once(child, 'message', { signal: over.signal }).then(([message]) => message as WarmAnswer);
    answer.catch(() => undefined);
    const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
    child.send(request);
    try {
      const found = await Promise.race([answer, ended]);
      if (found.how === 'ended' && found.left.length > 0)
        throw new Error(`infer ${request.args.join(' ')} would not have ended: ${found.left.join(', ')}`);
      if (found.left.length > 0) this.#replace(child);
      else this.#give(child);
      return found;
    } catch (error) {
      this.#replace(child);
      throw error;
    } finally {
      clearTimeout(timer);
      over.abort();
    }
  }

  async end(): Promise<void> {
    for (const child of this.#all) this.#kill(child);
    await Promise.all(this.#ending);
  }

  #kill(child: ChildProcess): void {
    this.#all.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) return;
    this.#ending.push(once(child, 'exit'));
    child.kill('SIGKILL');
  }

  async #take(): Promise<ChildProcess> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#all.size >= MOST) return new Promise((resolve) => this.#waiting.push(resolve));
    return this.#start();
  }

  #start(): ChildProcess {
    const child = fork(MAIN, [this.#binary, this.#entry], {
      env: this.#env,
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#all.add(child);
    return child;
  }

  #replace(child: ChildProcess): void {
    this.#kill(child);
    const next = this.#waiting.shift();
    if (next !== undefined) next(this.#start());
  }

  #give(child: ChildProcess): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(child);
    else next(child);
  }
}
