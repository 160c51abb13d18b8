import { randomBytes } from 'node:crypto';
import { InferError } from '../../../core/errors.js';
import type { Action } from '../shapes.js';
import type { Planned } from './planned.js';

/** What a preview showed. */
export interface Ticket {
  action: Action;
  /** Its operation is bound to the moment of the preview: what came later is not touched. */
  planned: Planned;
  /** Name of the token that asked. */
  who: string;
}

const VALID_MS = 10 * 60_000;
const MOST = 1000;

/** Previews of the last ten minutes: an action is done only as it was shown, once, and to whom it was shown. */
export class Tickets {
  private readonly issued = new Map<string, Ticket & { until: number }>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  issue(ticket: Ticket): string {
    const now = this.now();
    for (const [id, { until }] of this.issued) if (until < now) this.issued.delete(id);
    const [oldest] = this.issued.keys();
    if (this.issued.size >= MOST && oldest !== undefined) this.issued.delete(oldest);
    const id = randomBytes(16).toString('base64url');
    this.issued.set(id, { ...ticket, until: now + VALID_MS });
    return id;
  }

  /** @throws InferError ACTION_CHANGED (409) unless it was issued to this caller for this action. */
  take(id: string, action: Action, who: string): Ticket {
    const ticket = this.issued.get(id);
    const isSame = JSON.stringify(ticket?.action) === JSON.stringify(action);
    if (ticket === undefined || ticket.until < this.now() || !isSame || ticket.who !== who) {
      throw new InferError('ACTION_CHANGED', 'this was not shown before, or too long ago: nothing was done', {
        hint: 'ask for a preview, and send its ticket',
      });
    }
    this.issued.delete(id);
    return ticket;
  }
}
