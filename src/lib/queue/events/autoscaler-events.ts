import { plural } from '../../core/counts.js';
import type { RedisClient } from '../../redis/types.js';
import type { AutoscalerRecord } from '../autoscalers.js';
import type { EventKind } from './types.js';
import { writeEvent } from './write-event.js';

type Decided = Pick<AutoscalerRecord, 'id' | 'host' | 'queues' | 'min' | 'max' | 'desired' | 'reason'>;

/** Events of one autoscaler. They are written in the background: none of them may delay or end it. */
export class AutoscalerEvents {
  private desired: number | undefined;

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {}

  /** After each decision; only another number of workers is an event. */
  decided(record: Decided): void {
    const { queues, desired, min, max, reason } = record;
    const before = this.desired;
    this.desired = desired;
    const of = `autoscaler of ${queues.join(', ')}`;
    if (before === undefined) {
      this.write('autoscaler-started', record, `${of} has started, for ${min} to ${plural(max, 'worker')}`);
    } else if (before !== desired) {
      const text = `${of} wants ${plural(desired, 'worker')} instead of ${before}: ${reason}`;
      this.write('scaled', record, text, { before: String(before) });
    }
  }

  stopped(record: Decided): void {
    this.write('autoscaler-stopped', record, `autoscaler of ${record.queues.join(', ')} has stopped`);
  }

  private write(kind: EventKind, record: Decided, text: string, more: Record<string, string> = {}): void {
    const { id, host, queues, desired, reason } = record;
    const data = { host, queues: queues.join(','), desired: String(desired), reason, ...more };
    const event = { kind, subject: { kind: 'autoscaler' as const, name: id }, text, alarm: false, data };
    void writeEvent(this.client, this.prefix, event).catch(() => undefined);
  }
}
