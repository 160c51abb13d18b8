import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { execa, type ResultPromise } from 'execa';
import { afterAll, beforeAll } from 'vitest';
import { WarmProcesses } from './warm.js';
import { startWorker, type TestWorker, type WorkerOptions } from './worker.js';

/** The repository: where `bin/run.js`, `examples` and `models` are. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BINARY = path.join(ROOT, 'bin/run.js');
const ENTRY = pathToFileURL(path.join(ROOT, 'dist/cli/run.js'));
/** Only ends a command that hangs. */
const TIMEOUT_MS = 90_000;

export interface RunOptions {
  /** URL of the server [the sandbox's]; null names none. */
  redis?: string | null;
  /** What standard input contains, or a pipe that stays open until the caller ends it [nothing]. */
  stdin?: string | Uint8Array | { open: true };
  cwd?: string;
  env?: Record<string, string>;
  /** A command that runs the program, such as `nohup`. */
  through?: readonly string[];
}

/** Options that need no separate process. */
export type AskOptions = Pick<RunOptions, 'redis' | 'cwd' | 'env'> & { stdin?: string | Uint8Array };

/** Runs the program with this redirection of its streams, such as `>/dev/full`. */
export function redirected(streams: string): string[] {
  return ['sh', '-c', `exec "$0" "$@" ${streams}`];
}

export interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output, which must be one JSON document. */
  json<T = Record<string, unknown>>(): T;
  /** Standard output as NDJSON. */
  rows<T = Record<string, unknown>>(): T[];
}

/** A started process whose exit the caller awaits. */
export type Started = ResultPromise<{ reject: false; all: true; extendEnv: false; buffer: true }>;

export interface Sandbox {
  /** A directory for this file, removed at its end. */
  readonly dir: string;
  /** Runs `infer` to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<Outcome>;
  /**
   * The same in an existing process that has loaded it, in a fraction of the time: for set-up and reads, and for
   * variants of a case that also has its own process. Not for commands that handle signals, start processes, or wait.
   */
  ask(args: readonly string[], options?: AskOptions): Promise<Outcome>;
  /** Starts `infer`; it is ended with the file at the latest. */
  start(args: readonly string[], options?: RunOptions): Started;
  /** Runs a module's source that may import `infer-queue`, as a separate program. */
  script(source: string, options?: RunOptions): Started;
  /** Starts `infer worker` and waits for its ready line. */
  worker(args?: readonly string[], options?: RunOptions & WorkerOptions): Promise<TestWorker>;
  /** Writes a file into the directory; returns its path. */
  file(name: string, content: string | Uint8Array): string;
}

/**
 * The built `infer` for the tests of one file: an environment without the caller's settings, a separate state
 * directory, and a check at the end that no process was left behind.
 */
export function useInfer(redis?: { readonly url: string }): Sandbox {
  const mark = `infer-test-${randomUUID()}`;
  const started = new Set<Started>();
  /** By what Node is started with. */
  const warm = new Map<string | undefined, WarmProcesses>();
  const workers = new Set<TestWorker>();
  let dir = '';

  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'infer-cli-'));
  });
  afterAll(async () => {
    await Promise.all([...workers].map((worker) => worker.stop()));
    const unended = [...started].filter((child) => child.exitCode === null && child.signalCode === null);
    for (const child of unended) child.kill('SIGKILL');
    await Promise.all(unended);
    await Promise.all([...warm.values()].map((processes) => processes.end()));
    const left = marked(mark);
    for (const pid of left) process.kill(pid, 'SIGKILL');
    rmSync(dir, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`${left.length} processes of this file were left running`);
  });

  const environment = (options: RunOptions | AskOptions): Record<string, string> => {
    const url = options.redis === undefined ? redis?.url : options.redis;
    return {
      PATH: process.env.PATH ?? '',
      HOME: dir,
      LANG: 'C.UTF-8',
      INFER_STATE_DIR: path.join(dir, 'state'),
      TEST_MARK: mark,
      ...(url === undefined || url === null ? {} : { INFER_REDIS_URL: url }),
      ...options.env,
    };
  };
  const launch = (words: readonly string[], options: RunOptions): Started => {
    const [program = '', ...more] = [...(options.through ?? []), process.execPath, ...words];
    const child = execa(program, more, {
      cwd: options.cwd ?? ROOT,
      env: environment(options),
      extendEnv: false,
      reject: false,
      // By default, what has not ended five seconds after a SIGTERM is killed: too soon on a busy machine.
      forceKillAfterDelay: false,
      all: true,
      buffer: true,
      stripFinalNewline: false,
      ...standardInput(options.stdin),
    });
    started.add(child as unknown as Started);
    void child.finally(() => started.delete(child as unknown as Started));
    return child as unknown as Started;
  };
  const start: Sandbox['start'] = (args, options = {}) => launch([BINARY, ...args], options);

  return {
    get dir() {
      return dir;
    },
    start,
    run: async (args, options = {}) => {
      const child = start(args, options);
      const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
      const { exitCode, stdout, stderr } = await child.finally(() => clearTimeout(timer));
      return outcome(args, exitCode, String(stdout), String(stderr));
    },
    ask: async (args, options = {}) => {
      const env = environment(options);
      let processes = warm.get(env.NODE_OPTIONS);
      if (processes === undefined) {
        processes = new WarmProcesses(BINARY, ENTRY, env);
        warm.set(env.NODE_OPTIONS, processes);
      }
      const request = { args, env, cwd: options.cwd ?? ROOT, stdin: options.stdin };
      const { exitCode, stdout, stderr } = await processes.run(request);
      return outcome(args, exitCode, stdout, stderr);
    },
    script: (source, options = {}) => launch(['--input-type=module', '-e', source], options),
    worker: async (args = [], options = {}) => {
      const worker = await startWorker(start(['worker', '--threads', '1', ...args], options), options);
      workers.add(worker);
      return worker;
    },
    file: (name, content) => {
      const file = path.join(dir, name);
      writeFileSync(file, content);
      return file;
    },
  };
}

function standardInput(stdin: RunOptions['stdin']) {
  if (stdin === undefined) return { stdin: 'ignore' as const };
  if (typeof stdin === 'object' && 'open' in stdin) return { stdin: 'pipe' as const };
  return { input: stdin };
}

function outcome(
  args: readonly string[],
  exitCode: number | undefined,
  stdout: string,
  stderr: string,
): Outcome {
  const parse = (text: string): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(`infer ${args.join(' ')} (exit ${exitCode}) did not print JSON: ${stdout}${stderr}`);
    }
  };
  return {
    exitCode,
    stdout,
    stderr,
    json: <T>() => parse(stdout) as T,
    rows: <T>() =>
      stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => parse(line) as T),
  };
}

/** Live processes whose environment contains the mark, including runners started by workers. */
function marked(mark: string): number[] {
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/environ`, 'latin1').includes(mark);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Resolves when a program's standard error contains `text`, or the program has exited. */
export function says(program: Started, text: string): Promise<void> {
  return new Promise((resolve) => {
    let seen = '';
    program.stderr?.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      if (seen.includes(text)) resolve();
    });
    void program.then(() => resolve());
  });
}

/** Calls `look` until it returns something; for states that nothing announces. */
export async function until<T>(look: () => Promise<T | undefined | false>, timeoutMs = 60_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error('what was waited for did not come');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
