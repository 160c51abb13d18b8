import { pollUntil } from '../core/poll.js';
import { listWorkers } from '../queue/registry.js';
import type { WorkerRecord } from '../queue/types.js';
import type { OperationContext } from './operation.js';
import type { WorkerOutcome } from './outcomes.js';

const LOOK_MS = 100;

/**
 * Watches the register until workers that were ordered to end have exited (`gone`) or restarted in the same
 * process (`back`), or the time is up. Returns their outcomes, completed with the result.
 */
export async function awaitWorkers(
  outcomes: readonly WorkerOutcome[],
  before: readonly WorkerRecord[],
  until: 'gone' | 'back',
  waitMs: number,
  { client, prefix, signal }: OperationContext,
): Promise<WorkerOutcome[]> {
  const began = Date.now();
  const ended = new Map<string, number>();
  const told = outcomes.filter(({ state }) => state === 'ok').map(({ id }) => id);
  const look = async () => {
    const now = await listWorkers(client, prefix);
    for (const old of before.filter(({ id }) => told.includes(id) && !ended.has(id))) {
      const fresh = now.find(({ host, pid, id }) => host === old.host && pid === old.pid && id !== old.id);
      const gone = !now.some(({ id }) => id === old.id);
      if (gone && (until === 'gone' || fresh !== undefined)) ended.set(old.id, Date.now() - began);
    }
    return ended.size === told.length ? true : undefined;
  };
  await pollUntil(look, { everyMs: LOOK_MS, timeoutMs: waitMs, signal }, () => false);
  return outcomes.map((outcome): WorkerOutcome => {
    if (outcome.state !== 'ok') return outcome;
    const ms = ended.get(outcome.id);
    return ms === undefined
      ? { ...outcome, state: 'busy', waited: { until, ms: waitMs } }
      : { ...outcome, waited: { until, ms } };
  });
}
