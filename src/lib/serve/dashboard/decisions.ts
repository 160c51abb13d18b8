import type { AutoscalerRecord } from '../../queue/autoscalers.js';
import { type Decision, runningOf } from './snapshot-rows.js';

/** Decisions kept of each autoscaler. */
const KEPT = 200;

/**
 * The decisions of each autoscaler as far as this process has seen them: only changes, since an autoscaler
 * decides every few seconds and mostly the same.
 */
export class Decisions {
  private readonly known = new Map<string, Decision[]>();

  note(autoscalers: readonly AutoscalerRecord[]): void {
    for (const record of autoscalers) {
      const { id, decidedAt, desired, reason } = record;
      const decisions = this.known.get(id) ?? [];
      const [last] = decisions;
      const { running, ready } = runningOf(record);
      if (last?.desired === desired && last.running === running && last.ready === ready) continue;
      decisions.unshift({ at: decidedAt, desired, running, ready, reason });
      if (decisions.length > KEPT) decisions.pop();
      this.known.set(id, decisions);
    }
  }

  of(id: string): readonly Decision[] {
    return this.known.get(id) ?? [];
  }
}
