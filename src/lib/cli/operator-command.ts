import { hostname } from 'node:os';
import type { Command } from '@oclif/core';
import { messageOf } from '../core/errors.js';
import { systemUser } from '../core/system-user.js';
import type { HostAction, HostWorker } from '../operations/host-workers.js';
import type { Actor, Operation, OperationContext } from '../operations/operation.js';
import type { Caller } from '../operations/run.js';
import type { PatienceMs } from '../redis/from-settings.js';
import type { RedisClient } from '../redis/types.js';
import { BaseCommand } from './base-command.js';
import { settingFlags } from './flags.js';
import { interruptible } from './signals.js';

/** The flag of every command that changes a deployment: the name for the audit log. */
export const operatorFlags = settingFlags('operator');

/** How long the audit log may take for an action that needs no Redis itself, ms. */
const ENTRY_MS = 2000;

/** Shared by commands that change a deployment. The client of Redis is loaded when there is something to do. */
export abstract class OperatorCommand<T extends typeof Command> extends BaseCommand<T> {
  /** The user: `--as`, INFER_OPERATOR, or the operating-system user. */
  protected get actor(): Actor {
    return { who: this.settings.operator ?? systemUser(), host: hostname(), channel: 'cli' };
  }

  /** Runs `work` on its own connection, until it is done or a signal stops it. */
  protected withContext<R>(
    work: (context: OperationContext) => Promise<R>,
    patience: PatienceMs = {},
  ): Promise<R> {
    const { actor } = this;
    return interruptible((signal) =>
      this.withRedis((client, prefix) => work({ client, prefix, signal, actor }), patience),
    );
  }

  /** Ends or restarts background workers of this host, and writes the audit log entry if Redis answers. */
  protected async performOnHost<Worker extends HostWorker>(
    action: HostAction<Worker>,
    signal: AbortSignal,
  ): Promise<Worker[]> {
    const { performOnHost } = await import('../operations/host-workers.js');
    return performOnHost(action, {
      prefix: this.settings.prefix,
      actor: this.actor,
      signal,
      withAuditLog: (write) => this.withRedis(write, { patienceMs: ENTRY_MS }),
      onUnaudited: this.onUnaudited,
    });
  }

  private async withRedis<R>(
    work: (client: RedisClient, prefix: string) => Promise<R>,
    patience: PatienceMs,
  ): Promise<R> {
    const { withRedis } = await import('../redis/with-redis.js');
    return withRedis(this.loaded, work, patience);
  }

  private readonly onUnaudited = (error: unknown): void => {
    this.warn(`the audit log has no entry of this: ${messageOf(error)}`);
  };

  /** Performs an operation, writes its audit log entry, and shows its progress. @param label of the bar */
  protected async perform<Plan, Outcome, Preview>(
    operation: Operation<Plan, Outcome, Preview>,
    context: OperationContext,
    label: string,
    more: Partial<Caller<Plan>> = {},
  ): Promise<Outcome> {
    const { perform } = await import('../operations/run.js');
    const { OperationProgress } = await import('./operation-progress.js');
    const progress = new OperationProgress(this.progress, label);
    const caller: Caller<Plan> = {
      // Operations that need consent are given it explicitly.
      consent: () => Promise.reject(new Error(`${operation.action} needs consent`)),
      ...more,
      report: progress.report,
      onUnaudited: this.onUnaudited,
    };
    try {
      return await perform(operation, context, caller);
    } finally {
      await progress.stop();
    }
  }
}
