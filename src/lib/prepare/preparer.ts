import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { dirForChild } from '../core/current-dir.js';
import { InferError } from '../core/errors.js';
import { FrameReader, writeFrame } from '../model/frames.js';
import { prepareScript } from '../model/package-root.js';
import type { Payload, RowTensor } from '../model/tensor.js';
import { fromWireFailures, packPayloads, unpackPayload } from '../model/wire.js';
import type { PreparePlan } from '../task/prepare-plan.js';
import type { PreparedRows } from './prepare-rows.js';
import { type PrepareReply, READY } from './wire.js';

/**
 * For what JavaScript holds, most of it tokenizers; decoded pixels are outside of it and limited by the size of an image.
 */
const V8_FLAGS = ['--max-old-space-size=1024', '--max-semi-space-size=1'];
/** It needs neither Redis nor our settings, which may contain a password. */
const KEPT_OUT = /^(INFER_|REDIS)/i;

/** How a preparing process ended before it had answered. */
export class PreparerDied extends Error {
  constructor(
    message: string,
    /** It died before it had started: no row is the cause. */
    readonly unstarted: boolean,
  ) {
    super(message);
  }
}

/** One preparing process; it does one request at a time. It may die at any request, and is then to be replaced. */
export class Preparer {
  readonly #child: ChildProcess;
  readonly #pipe: Socket;
  readonly exited: Promise<void>;
  #pending: { resolve(rows: PreparedRows): void; reject(error: Error): void } | undefined;
  #died: string | undefined;
  #started = false;

  constructor() {
    this.#child = spawn(process.execPath, [...V8_FLAGS, prepareScript()], {
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !KEPT_OUT.test(name))),
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      windowsHide: true,
      // Ctrl-C in a terminal reaches the worker alone, which finishes what it holds.
      detached: true,
      cwd: dirForChild(),
    });
    this.#pipe = this.#child.stdio[3] as Socket;
    const reader = new FrameReader(({ header, body }) =>
      this.#onReply(header as unknown as PrepareReply, body),
    );
    this.#pipe.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch {
        // A stream that is out of sync cannot be trusted again.
        void this.kill();
      }
    });
    // Its exit gives the better error.
    this.#pipe.on('error', () => {});
    this.exited = new Promise((resolve) => {
      const end = (how: string) => {
        this.#died ??= how;
        this.#fail(new PreparerDied(how, !this.#started));
        resolve();
      };
      this.#child.once('error', (error) => end(error.message));
      this.#child.once('exit', (code, signal) =>
        end(signal === null ? `exit code ${code}` : `killed by ${signal}`),
      );
    });
  }

  get isAlive(): boolean {
    return this.#died === undefined;
  }

  /** @throws PreparerDied when the process ends first, InferError when it refuses the request as a whole. */
  prepare(plan: PreparePlan, raw: RowTensor, rows: number): Promise<PreparedRows> {
    if (this.#died !== undefined) return Promise.reject(new PreparerDied(this.#died, !this.#started));
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      const { payload, parts } = packPayloads([{ rows, tensors: [raw] }]);
      // If the pipe breaks here, an exit will follow and reject the call.
      writeFrame(this.#pipe, { id: READY + 1, plan, ...payload }, parts).catch(() => {});
    });
  }

  /** Resolves when it has ended. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  #onReply(reply: PrepareReply, body: Buffer): void {
    if (reply.id === READY) {
      this.#started = true;
      return;
    }
    if (reply.error !== undefined) {
      this.#fail(InferError.of(reply.error));
      return;
    }
    const outputs: Payload = unpackPayload(reply.outputs ?? { rows: 0, tensors: [] }, body);
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.resolve({ tensor: outputs.tensors[0] as RowTensor, failed: fromWireFailures(reply.failed) });
  }

  #fail(error: Error): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(error);
  }
}
