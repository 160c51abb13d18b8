import { readEvents } from '../../queue/events/read-events.js';
import type { DeploymentEvent } from '../../queue/events/types.js';
import type { RedisClient } from '../../redis/types.js';

/** How soon an event is seen: three small commands each time, whatever the number of listeners. */
const LOOK_MS = 1000;
const AT_ONCE = 1000;

/** Events of one read, and the cursor after them. */
type Listener = (events: readonly DeploymentEvent[], cursor: string) => void;

/** Follows the events of a deployment for any number of listeners, while there is one. */
export class EventTail {
  private readonly listeners = new Set<Listener>();
  private cursor: Promise<string> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {}

  /**
   * Calls `listener` with all events from now on. It resolves when none can be missed any more: what is read
   * after that overlaps with them. @returns ends it
   */
  async listen(listener: Listener): Promise<() => void> {
    this.listeners.add(listener);
    const stop = (): void => {
      this.listeners.delete(listener);
      if (this.listeners.size > 0) return;
      clearTimeout(this.timer);
      this.cursor = undefined;
    };
    try {
      this.cursor ??= this.begin();
      await this.cursor;
      return stop;
    } catch (error) {
      stop();
      throw error;
    }
  }

  private async begin(): Promise<string> {
    const { cursor } = await readEvents(this.client, this.prefix, { limit: 1 });
    this.next(cursor);
    return cursor;
  }

  private next(cursor: string): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(cursor), LOOK_MS).unref();
  }

  private async look(cursor: string): Promise<void> {
    let reached = cursor;
    try {
      const page = await readEvents(this.client, this.prefix, { after: cursor, limit: AT_ONCE });
      reached = page.cursor;
      if (page.events.length > 0) for (const tell of [...this.listeners]) tell(page.events, page.cursor);
    } catch {
      // Redis is away: the next look continues where this one began.
    }
    if (this.listeners.size > 0) this.next(reached);
  }
}
