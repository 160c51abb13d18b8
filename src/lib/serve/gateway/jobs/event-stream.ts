import { Readable } from 'node:stream';

/** Milliseconds after which a client reconnects. */
const RETRY_MS = 3000;
/** Comments at this interval keep proxies from closing an idle connection. */
const BEAT_MS = 15_000;
/** A client that has not read anything for this many beats is disconnected. */
const SLOW_BEATS = 4;
/**
 * Unsent events of a kind that must not be lost; a client that is further behind is disconnected, and
 * continues.
 */
const UNSENT_MAX = 2000;
/** Id of the last event: browsers connect again after an end, and say with it that they have heard all. */
export const END_ID = 'end';

/** An event as it is sent. */
export function eventText(event: string, data: unknown): string {
  const id = event === 'end' ? `id: ${END_ID}\n` : '';
  return `event: ${event}\n${id}data: ${JSON.stringify(data)}\n\n`;
}

/**
 * One client's stream of server-sent events. For a client that reads slowly, only the newest event of each
 * kind is kept, so a stream buffers a few events at most.
 */
export class EventStream extends Readable {
  private readonly waiting = new Map<string, string | Buffer>();
  private reads = true;
  private slow = 0;
  private over = false;
  private told = 0;

  constructor() {
    super({ highWaterMark: 65_536 });
    this.reads = this.push(`retry: ${RETRY_MS}\n\n`);
  }

  /** Sends an event as soon as the client reads; replaces an unsent event of the same kind. */
  tell(event: string, data: unknown): void {
    this.tellText(event, eventText(event, data));
  }

  /** The same for an event that many streams get, which then share its bytes. @param text of `eventText` */
  tellText(event: string, text: string | Buffer): void {
    if (this.over) return;
    this.waiting.delete(event);
    this.waiting.set(event, text);
    this.flush();
  }

  /**
   * Sends an event that replaces no other. A client that does not read them is disconnected: with the id of
   * the last one it has read, it continues where it was.
   */
  tellEach(event: string, id: string | undefined, data: unknown): void {
    if (this.over) return;
    if (this.waiting.size >= UNSENT_MAX) {
      this.destroy();
      return;
    }
    const lines = [
      `event: ${event}`,
      ...(id === undefined ? [] : [`id: ${id}`]),
      `data: ${JSON.stringify(data)}`,
    ];
    this.waiting.set(`each ${this.told++}`, `${lines.join('\n')}\n\n`);
    this.flush();
  }

  /** Ends the stream after the events that are still unsent. */
  finish(comment?: string): void {
    if (this.over) return;
    this.over = true;
    if (comment !== undefined) this.waiting.set('', `: ${comment}\n\n`);
    this.flush();
  }

  /** Called every 15 s. */
  beat(): void {
    if (this.over || this.destroyed) return;
    if (this.reads) this.reads = this.push(':\n\n');
    else if (++this.slow >= SLOW_BEATS) this.destroy();
  }

  override _read(): void {
    this.reads = true;
    this.slow = 0;
    this.flush();
  }

  private flush(): void {
    for (const [event, text] of this.waiting) {
      if (!this.reads) return;
      this.waiting.delete(event);
      this.reads = this.push(text);
    }
    if (this.over && this.waiting.size === 0 && !this.readableEnded) this.push(null);
  }
}

/** The open streams of a server: one timer for all, and an end for all at shutdown. */
export class EventStreams {
  private readonly open = new Map<EventStream, (() => boolean) | undefined>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly draining: AbortSignal) {
    draining.addEventListener('abort', () => {
      for (const stream of this.open.keys()) stream.finish('the server is shutting down');
    });
  }

  get size(): number {
    return this.open.size;
  }

  /** Sends an event to all of them. @param text of `eventText` */
  tellAll(event: string, text: string | Buffer): void {
    for (const stream of this.open.keys()) stream.tellText(event, text);
  }

  /**
   * @param onClosed called once, however it ends
   * @param holds whether its caller may still read it, asked with each beat; undefined: it may
   */
  add(onClosed: () => void, holds?: (() => boolean) | undefined): EventStream {
    const stream = new EventStream();
    this.open.set(stream, holds);
    this.timer ??= setInterval(() => {
      for (const [one, may] of this.open) {
        if (may?.() === false) one.finish('the token no longer allows this');
        else one.beat();
      }
    }, BEAT_MS).unref();
    stream.once('close', () => {
      this.open.delete(stream);
      if (this.open.size === 0) {
        clearInterval(this.timer);
        this.timer = undefined;
      }
      onClosed();
    });
    if (this.draining.aborted) stream.finish('the server is shutting down');
    return stream;
  }
}
