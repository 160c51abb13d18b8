import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { settledWithin } from '../core/bounded.js';
import { dirForChild } from '../core/current-dir.js';
import { hasTrait } from '../core/error-table.js';
import { InferError } from '../core/errors.js';
import { traceTime } from '../core/job-trace.js';
import { modelChanged } from './fingerprint.js';
import { type Frame, FrameReader, writeFrame } from './frames.js';
import { HandedRun } from './handed-run.js';
import { type HandlerLine, HandlerLines } from './handler-output.js';
import { asModelFault } from './model-faults.js';
import type { ModelFiles } from './model-files.js';
import { runnerScript } from './package-root.js';
import { findModel } from './repository.js';
import type {
  HandedOver,
  HandOverEvents,
  LoadAs,
  LoadedModel,
  Runner,
  RunnerExit,
  RunnerOptions,
  RunReply,
  RunRequest,
  StartRunner,
} from './runner.js';
import { selectionsOf } from './selection.js';
import { modelDirOf } from './survey.js';
import { fromWireFailures, packPayloads, type Reply, type Request, unpackPayload } from './wire.js';

const START_TIMEOUT_MS = 30_000;
const STOP_GRACE_MS = 5_000;
/** Kept of the runner's own output: enough for the last lines of a crash. */
const OUTPUT_TAIL_BYTES = 4_096;
/** File descriptor to which the runner writes what handlers print. */
const OUTPUT_FD = 5;
const LAST_WORDS_MAX = 200;
const LAST_WORDS_WAIT_MS = 200;
/**
 * A run produces garbage that lives for one run. With V8's default young generation, the runner grew to 133
 * MB over 150,000 one-row runs of digits; with 1 MB it stayed below 109 MB, at the same speed.
 */
const V8_FLAGS = ['--max-semi-space-size=1'];

type RequestBody = Request extends infer One ? (One extends { id: number } ? Omit<One, 'id'> : never) : never;

interface Answer {
  reply: Reply;
  body: Buffer;
}

interface Pending {
  op: Request['op'];
  resolve(answer: Answer): void;
  reject(error: InferError): void;
  /** Set for a run that was handed over. */
  handed: HandedRun | undefined;
}

/**
 * Starts a runner process and waits until ONNX Runtime is loaded in it (about 0.15 s).
 * @throws InferError RUNNER_MISSING, RUNNER_DIED or ONNX_RUNTIME.
 */
export const startRunner: StartRunner = async (options, arena, onLine) => {
  const child = spawn(process.execPath, [...V8_FLAGS, runnerScript()], {
    env: runnerEnv(process.env, options.gpu),
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', arena?.fd ?? 'ignore', 'pipe'],
    windowsHide: true,
    // A process group of its own: processes started by a handler end with the runner, however that ends.
    detached: true,
    // Node does not start in a deleted directory, such as that of an earlier release.
    cwd: dirForChild(),
  });
  const runner = new ProcessRunner(child, options, onLine);
  try {
    const started = runner.start();
    // Its exit makes the start fail, with its last output.
    if (!(await settledWithin(START_TIMEOUT_MS, started))) void runner.kill();
    await started;
    return runner;
  } catch (error) {
    await runner.kill();
    throw error;
  }
};

/** The runner needs neither Redis nor our settings; a URL may contain a password. */
const KEPT_OUT = /^(INFER_|REDIS)/i;

/** The environment of a runner; exported for tests. */
export function runnerEnv(own: NodeJS.ProcessEnv, gpu: string | undefined): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(own)) if (!KEPT_OUT.test(name)) env[name] = value;
  if (gpu !== undefined) {
    env.CUDA_VISIBLE_DEVICES = gpu;
    // By default CUDA numbers by speed, and index 1 here would not be index 1 of nvidia-smi.
    env.CUDA_DEVICE_ORDER = 'PCI_BUS_ID';
  }
  return env;
}

class ProcessRunner implements Runner {
  readonly pid: number;
  readonly exited: Promise<RunnerExit>;
  readonly #child: ChildProcess;
  readonly #options: RunnerOptions;
  readonly #pipe: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #reader: FrameReader;
  #nextId = 1;
  #exit: RunnerExit | undefined;
  #asked = false;
  #output = Buffer.alloc(0);

  constructor(child: ChildProcess, options: RunnerOptions, onLine?: (line: HandlerLine) => void) {
    this.#child = child;
    this.#options = options;
    this.#pipe = child.stdio[3] as Socket;
    this.pid = child.pid ?? -1;
    this.#reader = new FrameReader((frame) => this.#onFrame(frame));
    this.#pipe.on('data', (chunk: Buffer) => {
      try {
        this.#reader.push(chunk);
      } catch {
        // A stream that is out of sync cannot be trusted again; a handler may have written to fd 3.
        this.#killGroup();
      }
    });
    // A dying runner closes the pipe during our writes; its exit gives the better error.
    this.#pipe.on('error', () => {});
    for (const stream of [child.stdout, child.stderr]) this.#keepTail(stream as Readable);
    // Always read: a full pipe would block the handler.
    const lines = new HandlerLines((line) => {
      this.#keep(Buffer.from(`${line.text}\n`));
      onLine?.(line);
    });
    const printed = (child.stdio as readonly unknown[])[OUTPUT_FD] as Readable | null | undefined;
    printed?.on('data', (chunk: Buffer) => lines.push(chunk));
    printed?.on('error', () => {});
    this.exited = new Promise((resolve) => {
      child.once('error', (error) => resolve(this.#onExit(null, null, error.message)));
      // `close` rather than `exit`: by then its last output has been read. A process started by a handler may
      // keep the streams open forever, so `exit` settles it a little later.
      child.once('close', (code, signal) => resolve(this.#onExit(code, signal)));
      child.once('exit', (code, signal) => {
        this.#killGroup();
        setTimeout(() => {
          resolve(this.#onExit(code, signal));
          // A process that left the group may still hold them, and this process could not end.
          for (const stream of child.stdio) stream?.destroy();
        }, LAST_WORDS_WAIT_MS);
      });
    });
  }

  async start(): Promise<void> {
    const { provider, gpu, requireGpu, threads, rowCheck } = this.#options;
    await this.#call({ op: 'start', settings: { provider, gpu, requireGpu, threads, rowCheck } });
  }

  async load(model: string, { session = model, version, expect }: LoadAs = {}): Promise<LoadedModel> {
    const files = this.#find(model, version, expect !== undefined);
    const wanted = expect === undefined ? {} : { expect };
    const { reply } = await this.#call({ op: 'load', model: session, files, ...wanted });
    return reply.loaded as LoadedModel;
  }

  /** Files of a model; when it is loaded again, any problem with them arose later. */
  #find(model: string, version: number | undefined, again: boolean): ModelFiles {
    try {
      return findModel(this.#options.modelsDir, model, version);
    } catch (error) {
      const fault = asModelFault(error, model, modelDirOf(this.#options.modelsDir, model));
      // Files that cannot be read now may be unchanged once they can.
      if (!again || version === undefined || hasTrait(fault.code, 'not-read')) throw fault;
      throw modelChanged(model, version, `cannot be loaded again: ${fault.message}`);
    }
  }

  async unload(session: string): Promise<void> {
    await this.#call({ op: 'unload', model: session });
  }

  async run(request: RunRequest): Promise<RunReply> {
    const { body, parts } = runFrame(request);
    const sent = request.traced === true ? traceTime() : 0;
    return toReply(await this.#call(body, parts), sent);
  }

  handOver(request: RunRequest, events: HandOverEvents): HandedOver {
    const { body, parts } = runFrame(request);
    const sent = request.traced === true ? traceTime() : 0;
    const handed = new HandedRun(this.#nextId, events, {
      send: (frame) => void writeFrame(this.#pipe, frame).catch(() => {}),
      isQuiet: () => !this.#reader.isAmid && this.#isInRun(handed),
    });
    const answer = this.#call({ ...body, handed: true }, parts, handed);
    handed.follow(
      answer.then((answered) => (answered.reply.recalled === true ? undefined : toReply(answered, sent))),
    );
    return handed;
  }

  /** Whether a run before this one is in progress. */
  #isInRun(next: HandedRun): boolean {
    return [...this.#pending.values()].some(({ op, handed }) => op === 'run' && handed !== next);
  }

  async memory(): Promise<number> {
    // The kernel answers during a run, when the runner itself cannot.
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8').catch(() => '');
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
    const { reply } = await this.#call({ op: 'memory' });
    return reply.bytes ?? 0;
  }

  async stop(): Promise<void> {
    this.#asked = true;
    if (this.#exit !== undefined) return;
    // Not awaited: the process's exit is the answer.
    this.#call({ op: 'stop' }).catch(() => {});
    if (!(await settledWithin(STOP_GRACE_MS, this.exited))) this.#killGroup();
    await this.exited;
  }

  async kill(): Promise<void> {
    this.#asked = true;
    if (this.#exit === undefined) this.#killGroup();
    await this.exited;
  }

  #call(body: RequestBody, parts: Uint8Array[] = [], handed?: HandedRun): Promise<Answer> {
    if (this.#exit !== undefined) return Promise.reject(this.#died(this.#exit));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { op: body.op, resolve, reject, handed });
      // If the pipe breaks here, an exit will follow and reject the call.
      writeFrame(this.#pipe, { ...body, id }, parts).catch(() => {});
    });
  }

  #onFrame({ header, body }: Frame): void {
    const reply = header as unknown as Reply;
    const pending = this.#pending.get(reply.id);
    if (reply.notice !== undefined) {
      pending?.handed?.on(reply.notice);
      return;
    }
    this.#pending.delete(reply.id);
    if (reply.error === undefined) pending?.resolve({ reply, body });
    else pending?.reject(InferError.of(reply.error));
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null, spawnError?: string): RunnerExit {
    if (this.#exit !== undefined) return this.#exit;
    const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
    const exit: RunnerExit = { reason: spawnError ?? how, signal, code, expected: this.#asked };
    this.#exit = exit;
    for (const pending of this.#pending.values()) pending.reject(this.#died(exit));
    this.#pending.clear();
    return exit;
  }

  /** Kills the runner and everything its handlers have started. */
  #killGroup(): void {
    // A process that could not be started has none.
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // None of them is left.
    }
  }

  #died(exit: RunnerExit): InferError {
    const words = exit.expected ? '' : lastWords(this.#output.toString('utf8'));
    return new InferError(
      'RUNNER_DIED',
      `the model's process died (${exit.reason})${words === '' ? '' : `: ${words}`}`,
      {
        hint:
          exit.signal === 'SIGKILL' && !exit.expected
            ? "SIGKILL is mostly the kernel's out-of-memory killer: see dmesg, give it more memory or lower --max-batch"
            : undefined,
      },
    );
  }

  #keepTail(stream: Readable): void {
    stream.on('data', (chunk: Buffer) => this.#keep(chunk));
    stream.on('error', () => {});
  }

  #keep(chunk: Buffer): void {
    this.#output = Buffer.concat([this.#output, chunk]).subarray(-OUTPUT_TAIL_BYTES);
  }
}

function runFrame({ model, softMs, limitMs, traced, parts: payloads }: RunRequest) {
  const { payload, parts } = packPayloads(payloads);
  // JSON omits undefined.
  const select = selectionsOf(payloads);
  return { body: { op: 'run', model, softMs, limitMs, traced, select, ...payload } as const, parts };
}

/** @param handed when the run was sent, if a job in it is traced */
function toReply({ reply, body }: Answer, handed: number): RunReply {
  const trace = reply.trace && { ...reply.trace, handed, answered: traceTime() };
  const outputs = unpackPayload(reply.outputs ?? { rows: 0, tensors: [] }, body);
  return { outputs, failed: fromWireFailures(reply.failed), runMs: reply.runMs ?? 0, at: reply.at, trace };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the native log is coloured with ESC sequences
const COLOUR = /\u001b\[[0-9;]*m/g;

/** The last line of output that names an error; not Node's own banner and stack lines. */
function lastWords(output: string): string {
  const lines = output
    .replace(COLOUR, '')
    .split('\n')
    .map((line) => line.trim());
  const telling = lines.filter((line) => line !== '' && !/^(at |Node\.js v|\^|}|\{)/.test(line));
  const named = telling.findLast((line) => /error|fatal|abort|terminate|exception|what\(\)/i.test(line));
  return (named ?? telling.at(-1) ?? '').slice(0, LAST_WORDS_MAX);
}
