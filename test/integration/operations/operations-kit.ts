import { InferClient } from '../../../src/lib/client/client.js';
import { InferError } from '../../../src/lib/core/errors.js';
import type { Actor, Operation, OperationContext, Progress } from '../../../src/lib/operations/operation.js';
import { type Caller, perform } from '../../../src/lib/operations/run.js';
import { type AuditEntry, readAudit } from '../../../src/lib/queue/audit.js';
import type { useRedis } from '../../support/redis.js';
import { PREFIX, type QueueKit } from '../queue/queue-kit.js';

/** A program's client of the same deployment. */
export function openClient(redis: ReturnType<typeof useRedis>, operator?: string): Promise<InferClient> {
  const config = { prefix: PREFIX, modelsDir: undefined, resultTtl: 60, redis: redis.settings() };
  return InferClient.open({ ...config, operator });
}

export const ADA: Actor = { who: 'ada', host: 'desk-1', channel: 'http' };

/** The operator in a test, and what they were told. */
export class Operator {
  readonly progress: Progress[] = [];
  readonly unaudited: unknown[] = [];
  private readonly stop = new AbortController();

  constructor(private readonly kit: QueueKit) {}

  get context(): OperationContext {
    return { client: this.kit.client, prefix: PREFIX, signal: this.stop.signal, actor: ADA };
  }

  abort(): void {
    this.stop.abort(new Error('stopped by SIGINT'));
  }

  perform<Plan, Outcome, Preview>(
    operation: Operation<Plan, Outcome, Preview>,
    more: Partial<Caller<Plan>> = {},
  ): Promise<Outcome> {
    return perform(operation, this.context, {
      consent: async () => undefined,
      report: (progress) => void this.progress.push(progress),
      onUnaudited: (error) => void this.unaudited.push(error),
      ...more,
    });
  }

  /** Answers no when asked. */
  refuse<Plan, Outcome, Preview>(operation: Operation<Plan, Outcome, Preview>): Promise<unknown> {
    const consent = () => Promise.reject(new InferError('NOT_CONFIRMED', 'nothing was done'));
    return this.perform(operation, { consent }).then(
      () => 'done',
      (error: unknown) => (error as InferError).code,
    );
  }

  /** Runs it and returns its single entry. */
  async entryOf(work: () => Promise<unknown>): Promise<AuditEntry> {
    const before = await this.audit();
    await work().catch(() => undefined);
    const after = await this.audit();
    if (after.length !== before.length + 1) throw new Error(`${after.length - before.length} entries`);
    return after[0] as AuditEntry;
  }

  audit(): Promise<AuditEntry[]> {
    return readAudit(this.kit.client, PREFIX, 1000);
  }
}
