import { type NewAuditEntry, writeAudit } from '../queue/audit.js';
import { type AuditSummary, failureSummary } from '../queue/audit-summary.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import type { Operation, OperationContext, Report } from './operation.js';

/** What the caller of an operation contributes. */
export interface Caller<Plan> {
  /** Called with the plan before anything is asked or changed. */
  onPlan?: ((plan: Plan) => void) | undefined;
  /** Returns when the user agrees, otherwise throws; called only where consent is needed. */
  consent(plan: Plan): Promise<void>;
  report?: Report | undefined;
  /** Called when the audit log entry of a completed action could not be written. */
  onUnaudited(error: unknown): void;
  /** Provides the Redis of the audit log, if it is not the one that is changed. */
  withAuditLog?: ((write: (client: RedisClient) => Promise<void>) => Promise<void>) | undefined;
}

/**
 * The only way to change a deployment: plans, asks for consent where needed, acts, and writes one entry to
 * the audit log, for any outcome. A refused confirmation leaves no entry, since nothing was started. If an
 * entry cannot be written, nothing is undone and `onUnaudited` is called.
 * @throws the error of planning, consent or acting, in readable form.
 */
export async function perform<Plan, Outcome, Preview>(
  operation: Operation<Plan, Outcome, Preview>,
  context: OperationContext,
  caller: Caller<Plan>,
): Promise<Outcome> {
  let done = 0;
  let stage: Stage = 'planning';
  const report: Report = (progress) => {
    if (progress.kind === 'jobs') done = progress.changed ?? progress.done;
    else if (progress.kind === 'awaiting') done = progress.workers;
    caller.report?.(progress);
  };
  let outcome: Outcome;
  try {
    const plan = await worded(context.client, operation.plan(context));
    caller.onPlan?.(plan);
    if (operation.needsConsent(plan)) {
      stage = 'asking';
      await caller.consent(plan);
    }
    stage = 'acting';
    outcome = await worded(context.client, operation.act(plan, context, report));
  } catch (error) {
    await noteFailure(operation, context, caller, { error, done, stage });
    throw error;
  }
  await note(operation, context, caller, operation.summary(outcome));
  return outcome;
}

/** What the operation would do; leaves no entry. */
export async function preview<Plan, Outcome, Preview>(
  operation: Operation<Plan, Outcome, Preview>,
  context: OperationContext,
  caller: Pick<Caller<Plan>, 'onPlan' | 'report'> = {},
): Promise<Preview> {
  const plan = await worded(context.client, operation.plan(context));
  caller.onPlan?.(plan);
  const report: Report = (progress) => caller.report?.(progress);
  return worded(context.client, operation.preview(plan, context, report));
}

type Stage = 'planning' | 'asking' | 'acting';

async function noteFailure<Plan, Outcome, Preview>(
  operation: Operation<Plan, Outcome, Preview>,
  context: OperationContext,
  caller: Caller<Plan>,
  { error, done, stage }: { error: unknown; done: number; stage: Stage },
): Promise<void> {
  if (stage === 'asking') return;
  const said = failureSummary(error, context.signal, done);
  if (said !== undefined) await note(operation, context, caller, said);
  else if (stage === 'acting') caller.onUnaudited(error);
}

async function note<Plan, Outcome, Preview>(
  { action, target, detail = '', log }: Operation<Plan, Outcome, Preview>,
  { client, prefix, actor }: OperationContext,
  { onUnaudited, withAuditLog = (write) => write(client) }: Caller<Plan>,
  { code, ...result }: AuditSummary,
): Promise<void> {
  const { who, host, channel } = actor;
  const entry: NewAuditEntry = { who, host, channel, action, target, detail, code: code ?? null, ...result };
  try {
    await withAuditLog((redis) => worded(redis, writeAudit(redis, prefix, entry, log)));
  } catch (error) {
    onUnaudited(error);
  }
}
