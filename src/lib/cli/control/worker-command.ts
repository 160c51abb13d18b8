import { Args, type Command } from '@oclif/core';
import { plural } from '../../core/counts.js';
import { InferError } from '../../core/errors.js';
import { printable } from '../../core/job.js';
import { orderWorkers } from '../../operations/order-workers.js';
import type { Order } from '../../queue/broker/control.js';
import type { WorkerRecord } from '../../queue/types.js';
import { orderView } from '../views/operations/order-view.js';
import { answerFlag, ControlCommand, controlFlags } from './control-command.js';

export const workerArg = Args.string({
  required: true,
  description: 'name, id or host of a worker, or a pattern of names; several with commas',
});

export const workerFlags = { ...controlFlags, timeout: answerFlag };

export interface WorkerOrder {
  /** Its arguments, for the audit log. */
  detail?: string;
  /** What it does to this many workers, if that needs consent: `stops`. */
  danger?: ((workers: readonly WorkerRecord[]) => string) | undefined;
  /** Wait this many ms until they have exited, or are back. */
  wait?: { until: 'gone' | 'back'; ms: number | undefined };
}

/** A command that sends one order to workers and shows each answer. */
export abstract class WorkerCommand<T extends typeof Command> extends ControlCommand<T> {
  protected order(workers: string, order: Order, options: WorkerOrder = {}) {
    const { timeout } = this.flags as unknown as { timeout: number };
    const { danger, detail, wait } = options;
    const wanted = { timeoutMs: timeout, needsConsent: danger !== undefined, detail, wait };
    return this.carryOut(orderWorkers(order, workers, wanted), orderView(danger));
  }
}

/** `2 workers (a, b)`. */
export function named(workers: readonly WorkerRecord[]): string {
  const names = [...new Set(workers.map(({ name }) => name))];
  const shown = names.length > 5 ? `${names.slice(0, 5).join(', ')}, …` : names.join(', ');
  return `${plural(workers.length, 'worker')} (${shown})`;
}

/** `digits` or `digits@2`. @throws InferError USAGE (2) for a version that is not a number. */
export function modelArg(word: string): { model: string; version?: number } {
  const at = word.lastIndexOf('@');
  if (at < 0) return { model: word };
  const version = Number(word.slice(at + 1));
  if (Number.isInteger(version) && version > 0 && at > 0) return { model: word.slice(0, at), version };
  throw new InferError('USAGE', `'${printable(word)}' is not a version of a model`, {
    hint: 'infer control load WORKER digits@2',
  });
}
