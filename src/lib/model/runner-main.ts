import { readSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { Worker as Thread } from 'node:worker_threads';
import { hostClock } from '../core/clock.js';
import { InferError, messageOf } from '../core/errors.js';
import { traceTime } from '../core/job-trace.js';
import { Turns } from '../core/turns.js';
import { FrameReader, flushed, writeFrame } from './frames.js';
import { HandlerOutput } from './handler-output.js';
import type { ModelHost } from './model-host.js';
import { RunGate } from './run-gate.js';
import {
  packPayloads,
  type Reply,
  type Request,
  type RunnerSettings,
  toWireError,
  toWireFailures,
  unpackPayload,
} from './wire.js';

/**
 * The runner process. Frames are exchanged on fd 3; when it closes, the worker has exited and this process
 * exits too. A terminal's Ctrl-C and a service manager's SIGTERM reach every process of the group: the worker
 * decides what they mean, so that a drain can finish; from outside, only SIGKILL ends a runner.
 */
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

/**
 * A run blocks this thread, so a closed pipe goes unnoticed until it is over: another thread checks whether
 * the worker is alive. Otherwise a killed worker's run would occupy the device until its end.
 */
const WATCH_WORKER = `
const { workerData } = require('node:worker_threads');
setInterval(() => { if (process.ppid !== workerData) process.kill(-process.pid, 'SIGKILL'); }, 1000);`;
new Thread(WATCH_WORKER, {
  eval: true,
  workerData: process.ppid,
  resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, codeRangeSizeMb: 4 },
}).unref();

const PIPE_FD = 3;
const ARENA_FD = 4;
const OUTPUT_FD = 5;
const pipe = new Socket({ fd: PIPE_FD, readable: true, writable: true });
/**
 * Handlers' output has its own channel to the worker's log: never between frames, nor mixed with native
 * output.
 */
const output = new HandlerOutput((line) => {
  try {
    writeSync(OUTPUT_FD, `${JSON.stringify(line)}\n`);
  } catch {
    // The worker has exited; this process will too.
  }
});
output.install();
const stopping = new AbortController();
const hosts = new Map<string, ModelHost>();
let settings: RunnerSettings = { provider: 'cpu', requireGpu: false, threads: 1 };
let toldToStop = false;
const turns = new Turns();

const gate = new RunGate(async (id, notice) => {
  await writeFrame(pipe, { id, notice } satisfies Reply);
  await flushed(pipe);
});

const reader = new FrameReader((frame) => {
  const request = frame.header as unknown as Request;
  if (request.op === 'permit') gate.permit(request.id, request.until);
  else if (request.op === 'recall') gate.recall(request.id);
  else {
    const received = frame.header.traced === true ? traceTime() : undefined;
    if (request.op === 'run' && request.handed === true) gate.expect(request.id);
    // One at a time and in order: a run blocks the thread anyway.
    void turns.take(() => answer(request, frame.body, received)).catch(leave);
  }
});
pipe.on('data', (chunk: Buffer) => reader.push(chunk));
pipe.on('error', leave);
pipe.on('close', leave);
pipe.on('end', () => {
  stopping.abort();
  leave();
});

/** The worker has exited: ends the process group, that is, this process and what handlers have started. */
function leave(): void {
  // When told to stop, it exits normally; the worker then ends the rest of the group.
  if (toldToStop) process.exit(0);
  process.kill(-process.pid, 'SIGKILL');
}

/** @param received when it was read, if a job in it is traced */
async function answer(request: Request, body: Buffer, received: number | undefined): Promise<void> {
  let parts: Uint8Array[] = [];
  let reply: Reply;
  try {
    [reply, parts] = await handle(request, body, received);
  } catch (error) {
    reply = { id: request.id, error: toWireError(error) };
  }
  if (request.op === 'run') gate.ended(reply.error === undefined && reply.failed === undefined);
  await writeFrame(pipe, reply, parts).catch(leave);
  if (request.op === 'stop') pipe.end(() => process.exit(0));
}

async function handle(
  request: Request,
  body: Buffer,
  received: number | undefined,
): Promise<[Reply, Uint8Array[]]> {
  const { id } = request;
  switch (request.op) {
    case 'start':
      settings = request.settings;
      process.title = settings.gpu === undefined ? 'infer-runner' : `infer-runner gpu=${settings.gpu}`;
      await hostModule();
      return [{ id }, []];
    case 'load': {
      const { ModelHost } = await hostModule();
      const { name, handlerPath } = request.files;
      const host = await output.within(name, handlerPath !== undefined, () =>
        ModelHost.load(request.files, settings, stopping.signal, request.expect),
      );
      // A model that does not load leaves the existing one of its name in place.
      await unload(request.model);
      hosts.set(request.model, host);
      return [{ id, loaded: host.loaded }, []];
    }
    case 'unload':
      await unload(request.model);
      return [{ id }, []];
    case 'run': {
      const host = hosts.get(request.model);
      if (host === undefined) throw new InferError('RUN_FAILED', `model ${request.model} is not loaded`);
      // Discard what a failed run left over.
      host.takeCheckMs();
      // Staged first: nothing but the run itself comes after the permit.
      const inputs = unpackPayload(request, body, readArena);
      if (request.handed === true && !(await gate.admits(id))) return [{ id, recalled: true }, []];
      const trace = received === undefined ? undefined : { received, started: traceTime() };
      const begun = hostClock.now();
      const { outputs, failed } = await output.within(host.loaded.signature.name, host.hasHandler, () =>
        host.run(inputs, request),
      );
      const ended = hostClock.now();
      const runMs = ended - begun - host.takeCheckMs();
      const traced = trace && { trace: { ...trace, ended: traceTime() } };
      const { payload, parts } = packPayloads([outputs]);
      return [
        { id, runMs, at: [begun, ended], outputs: payload, ...toWireFailures(failed), ...traced },
        parts,
      ];
    }
    case 'permit':
    case 'recall':
      throw new Error('not a request of its own');
    case 'memory':
      return [{ id, bytes: process.memoryUsage.rss() }, []];
    case 'stop':
      toldToStop = true;
      stopping.abort();
      return [{ id }, []];
  }
}

/** Fills part of a buffer with bytes from the worker's arena. */
function readArena(into: Buffer, at: number, from: number, bytes: number): void {
  for (let done = 0; done < bytes; ) {
    const read = readSync(ARENA_FD, into, at + done, bytes - done, from + done);
    if (read === 0) throw new InferError('RUN_FAILED', 'an input is not where the worker said it is');
    done += read;
  }
}

async function unload(model: string): Promise<void> {
  const host = hosts.get(model);
  hosts.delete(model);
  await host?.release();
}

/** Loads ONNX Runtime here, not at the top, so that its absence is an answer rather than a crash. */
async function hostModule(): Promise<typeof import('./model-host.js')> {
  try {
    return await import('./model-host.js');
  } catch (error) {
    throw new InferError(
      'ONNX_RUNTIME',
      `ONNX Runtime cannot be loaded: ${messageOf(error).split('\n', 1)[0]}`,
      {
        hint: `ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node (skip: without the CUDA download; there is none for ${process.platform}/${process.arch} in some versions)`,
        cause: error,
      },
    );
  }
}
