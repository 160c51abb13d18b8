import { setTimeout as delay } from 'node:timers/promises';
import { formatDuration } from '../../core/units.js';
import { listWorkers } from '../../queue/registry.js';
import type { WorkerRecord } from '../../queue/types.js';
import type { WorkerAnswer } from '../views/control-view.js';
import type { Hands } from './control-command.js';

const LOOK_MS = 100;

/**
 * Watches the register until workers that were told to end have ended (`gone`), or have come up again
 * in the same process (`back`), or the time is over. Answers their rows with what became of them.
 */
export async function awaitWorkers(
  rows: readonly WorkerAnswer[],
  before: readonly WorkerRecord[],
  until: 'gone' | 'back',
  waitMs: number,
  { client, prefix, signal }: Hands,
): Promise<WorkerAnswer[]> {
  const began = Date.now();
  const ended = new Map<string, string>();
  const told = rows.filter(({ state }) => state === 'ok').map(({ id }) => id);
  for (;;) {
    const now = await listWorkers(client, prefix);
    for (const old of before.filter(({ id }) => told.includes(id) && !ended.has(id))) {
      const fresh = now.find(({ host, pid, id }) => host === old.host && pid === old.pid && id !== old.id);
      const gone = !now.some(({ id }) => id === old.id);
      if (gone && (until === 'gone' || fresh !== undefined)) {
        const what = until === 'gone' ? 'ended' : 'ready again';
        ended.set(old.id, `${what} after ${formatDuration(Date.now() - began)}`);
      }
    }
    if (ended.size === told.length || Date.now() - began >= waitMs) break;
    await delay(LOOK_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  return rows.map((row): WorkerAnswer => {
    if (row.state !== 'ok') return row;
    const text = ended.get(row.id);
    return text === undefined
      ? { ...row, state: 'busy', text: `${row.text}; not yet after ${formatDuration(waitMs)}` }
      : { ...row, text };
  });
}
