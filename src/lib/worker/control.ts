import { setTimeout as delay } from 'node:timers/promises';
import { boundsText } from '../config/runner-bounds.js';
import { InferError, messageOf } from '../core/errors.js';
import type { ModelSignature } from '../model/signature.js';
import type { OrderInbox } from '../queue/broker/consumer-port.js';
import type { ControlAnswer, ControlRequest, Order } from '../queue/broker/control.js';
import type { WorkerRecord } from '../queue/types.js';
import type { Logger } from '../telemetry/logger.js';
import type { LiveChanges } from './live-changes.js';
import { RepeatedWarnings } from './repeated-warnings.js';
import type { RunnerScaler } from './runner-scaler.js';

/**
 * Interval at which a worker reports that it is still busy with an order, so that the sender keeps waiting.
 */
const WORKING_MS = 1000;
const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 5000;

/** The parts of a worker that the control channel acts on. */
export interface Steered {
  changes: LiveChanges;
  /** Set when the worker adjusts its own concurrency. */
  scaler?: RunnerScaler | undefined;
  log: Logger;
  record(): Pick<WorkerRecord, 'state' | 'concurrency' | 'models'>;
  /** Jobs that were started and have not ended, and all jobs held. */
  jobs(): { started: number; held: number };
  drain(): void;
  leave(): void;
  /**
   * Reads settings and models again; the returned function drains the worker so that it reopens with them.
   * @throws an error that says why they are invalid.
   */
  prepareRestart(): Promise<() => void>;
  publish(signature: ModelSignature): Promise<void>;
  /** The version of a model that a load would select. @throws InferError MODEL_UNKNOWN. */
  versionOf(model: string, version: number | undefined): number;
  /** Publishes a change in the register immediately. */
  beat(): Promise<void>;
}

type Words = Omit<ControlAnswer, 'worker'>;
interface Outcome {
  text: string;
  /** What to do after the answer has been sent: it may end the process. */
  afterwards?: () => void;
}

/** Reads a worker's orders and carries them out, answering each. */
export class ControlLoop {
  private readonly warnings: RepeatedWarnings;
  private closed = false;
  private loop: Promise<void> | undefined;

  constructor(
    private readonly inbox: OrderInbox,
    private readonly steered: Steered,
  ) {
    this.warnings = new RepeatedWarnings(steered.log);
  }

  start(): void {
    this.loop ??= this.listen();
  }

  /** Stops reading orders and closes the inbox. */
  async close(): Promise<void> {
    this.closed = true;
    await this.inbox.close();
    await this.loop;
  }

  private async listen(): Promise<void> {
    let retryMs = RETRY_MIN_MS;
    while (!this.closed) {
      try {
        const request = await this.inbox.next();
        retryMs = RETRY_MIN_MS;
        // Not awaited: a load takes long, and a stop must be read in the meantime.
        if (request !== undefined) void this.carryOut(request);
      } catch (error) {
        if (this.closed) return;
        this.warnings.report('cannot read orders, will try again', error, {});
        await delay(retryMs);
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
      }
    }
  }

  private async carryOut(request: ControlRequest): Promise<void> {
    const { log } = this.steered;
    const { order, who, dryRun } = request;
    const working = setInterval(() => void this.tell(request, atWork(order)), WORKING_MS);
    let afterwards: (() => void) | undefined;
    let words: Words;
    try {
      const outcome = await carryOut(order, dryRun, this.steered);
      ({ afterwards } = outcome);
      words = { ok: true, text: outcome.text };
    } catch (error) {
      const unknown = { code: 'CONTROL', hint: undefined } as const;
      const { code, hint }: Pick<InferError, 'code' | 'hint'> = error instanceof InferError ? error : unknown;
      words = { ok: false, text: messageOf(error), code, ...(hint === undefined ? {} : { hint }) };
    } finally {
      clearInterval(working);
    }
    if (!dryRun) log[words.ok ? 'info' : 'warn']({ who, order: order.verb, answer: words.text }, 'order');
    await this.tell(request, words);
    afterwards?.();
  }

  private async tell(request: ControlRequest, words: Words): Promise<void> {
    await this.inbox.answer(request, words).catch((error: unknown) => {
      this.warnings.report('cannot answer an order', error, { order: request.order.verb });
    });
  }
}

function atWork(order: Order): Words {
  return { ok: true, working: true, text: order.verb === 'load' ? `loading ${order.model}` : 'working' };
}

/** Carries out an order or, with `dryRun`, only says what it would do. */
async function carryOut(order: Order, dryRun: boolean, steered: Steered): Promise<Outcome> {
  const would = (now: string, then: string) => (dryRun ? `would ${then}` : now);
  const jobs = steered.jobs();
  switch (order.verb) {
    case 'drain': {
      const again = steered.record().state === 'draining' ? 'is already draining: ' : '';
      const what = `finish ${plural(jobs.started)} and end`;
      const text = `${again}${would(`finishing ${plural(jobs.started)}, then it ends`, what)}`;
      return dryRun ? { text } : { text, afterwards: steered.drain };
    }
    case 'stop': {
      const text = would(
        `handing back ${plural(jobs.held)} and ending`,
        `hand back ${plural(jobs.held)} and end`,
      );
      return dryRun ? { text } : { text, afterwards: steered.leave };
    }
    case 'restart': {
      const restart = await steered.prepareRestart();
      const text = would(
        `finishing ${plural(jobs.started)}, then it opens again`,
        `finish ${plural(jobs.started)} and open again`,
      );
      return dryRun ? { text } : { text, afterwards: restart };
    }
    case 'set':
      return setOption(order, dryRun, steered);
    case 'load':
      return load(order, dryRun, steered);
    case 'unload': {
      steered.changes.checkUnload(order.model, order.force);
      if (!dryRun) {
        await steered.changes.unload(order.model, order.force);
        await steered.beat();
      }
      return { text: would(`unloaded ${order.model}`, `unload ${order.model}`) };
    }
  }
}

type SetOrder = Extract<Order, { verb: 'set' }>;

async function setOption(order: SetOrder, dryRun: boolean, steered: Steered): Promise<Outcome> {
  const { changes, scaler, log, beat } = steered;
  checkSettable(order, scaler);
  const shown =
    order.what === 'autoscale' ? boundsText(order.value) : (order.value ?? 'learned from run times');
  const before = valueBefore(order, steered);
  const text = `${order.what} ${shown}${before === undefined ? '' : `, was ${before}`}`;
  if (dryRun) return { text: `would set ${text}` };
  if (order.what === 'concurrency') await changes.setConcurrency(order.value);
  else if (order.what === 'max-batch') changes.setMaxBatch(order.value);
  else if (order.what === 'log-level') log.level = order.value;
  else if (scaler !== undefined) scaler.bounds = order.value;
  await beat();
  return { text };
}

function valueBefore({ what }: SetOrder, { record, scaler, log }: Steered): number | string | undefined {
  if (what === 'concurrency') return record().concurrency;
  if (what === 'log-level') return log.level;
  return what === 'autoscale' && scaler !== undefined ? boundsText(scaler.bounds) : undefined;
}

/**
 * A fixed number would not last while concurrency follows the backlog, and bounds mean nothing without that.
 */
function checkSettable(order: SetOrder, scaler: RunnerScaler | undefined): void {
  if (order.what === 'concurrency' && scaler !== undefined) {
    throw new InferError('AUTOSCALED', `its backlog sets that, within ${boundsText(scaler.bounds)}`, {
      hint: `infer control set WORKER autoscale ${order.value},${order.value} holds it there`,
    });
  }
  if (order.what === 'autoscale' && scaler === undefined) {
    throw new InferError('NOT_AUTOSCALED', 'it was started without --autoscale', {
      hint: 'infer control set WORKER concurrency N',
    });
  }
}

async function load(
  { model, version }: Extract<Order, { verb: 'load' }>,
  dryRun: boolean,
  steered: Steered,
): Promise<Outcome> {
  const wanted = steered.versionOf(model, version);
  const before = steered.record().models.find(({ name }) => name === model)?.version;
  const was = before === undefined ? 'new to it' : `was version ${before}`;
  if (dryRun) return { text: `would load ${model} version ${wanted}, ${was}` };
  const { signature, device, loadMs } = await steered.changes.load(model, version);
  await steered.publish(signature);
  await steered.beat();
  return {
    text: `serves ${model} version ${signature.version} on ${device}, ${was}; loaded in ${Math.round(loadMs)} ms`,
  };
}

function plural(jobs: number): string {
  return jobs === 1 ? '1 job' : `${jobs} jobs`;
}
