import { messageOf } from '../../core/errors.js';
import type { Logger } from '../../telemetry/logger.js';
import type { Gateway } from '../gateway/gateway.js';
import { type EventStream, EventStreams, eventText } from '../gateway/jobs/event-stream.js';
import type { App } from '../http/app.js';
import { Refusal } from '../http/refusal.js';
import type { Snapshot } from './shapes.js';
import type { Snapshots } from './snapshots.js';

const EVERY_MS = 1000;
/** Milliseconds between the end of one snapshot and the next, however long the first took. */
const LEAST_PAUSE_MS = 200;
/** A stream keeps one snapshot that was not sent yet, and what the connection has buffered. */
const MOST_STREAMS = 200;
const AGAIN_S = '10';
/** A new page gets the last snapshot at once, if it is not older. */
const FRESH_MS = 1500;
const SHUTDOWN = { reason: 'the server is shutting down' };
const TOKEN_ENDED = { reason: 'the token no longer allows this' };

/** Makes one snapshot a second for all open pages, and none while no page is open. */
class SnapshotStream {
  private readonly streams: EventStreams;
  private readonly log: Logger;
  private running = false;
  private last: { text: Buffer; at: number } | undefined;

  constructor(
    private readonly snapshots: Snapshots,
    { draining, log }: Pick<Gateway, 'draining' | 'log'>,
  ) {
    this.log = log;
    // Before that of the streams, which ends them.
    draining.addEventListener('abort', () => this.streams.tellAll('end', eventText('end', SHUTDOWN)));
    this.streams = new EventStreams(draining);
  }

  /**
   * A stream for one page.
   * @param holds whether its token still allows it
   * @throws InferError STREAMS_FULL (503).
   */
  open(holds: (() => boolean) | undefined): EventStream {
    if (this.streams.size >= MOST_STREAMS) {
      throw new Refusal('STREAMS_FULL', `${MOST_STREAMS} pages of the dashboard are open`, {
        hint: 'close some of them, or try again later',
        headers: { 'retry-after': AGAIN_S },
      });
    }
    const may = (): boolean => {
      if (holds?.() !== false) return true;
      stream.tell('end', TOKEN_ENDED);
      return false;
    };
    const stream: EventStream = this.streams.add(() => undefined, may);
    stream.tell('recent', this.snapshots.recent);
    const { last } = this;
    if (last !== undefined && performance.now() - last.at < FRESH_MS) stream.tellText('snapshot', last.text);
    if (!this.running) {
      this.running = true;
      void this.run();
    }
    return stream;
  }

  private async run(): Promise<void> {
    while (this.streams.size > 0) {
      const began = performance.now();
      try {
        const snapshot: Snapshot = await this.snapshots.next();
        this.last = { text: Buffer.from(eventText('snapshot', snapshot)), at: performance.now() };
        this.streams.tellAll('snapshot', this.last.text);
      } catch (error) {
        // A fault of ours must not end the stream of everyone.
        this.log.error({ err: messageOf(error) }, 'a snapshot of the dashboard failed');
      }
      const rest = Math.max(LEAST_PAUSE_MS, EVERY_MS - (performance.now() - began));
      await new Promise<void>((resolve) => setTimeout(resolve, rest).unref());
    }
    this.running = false;
  }
}

/** `GET api/stream`. @param onOpen called when a page is opened */
export function addStreamRoute(
  app: App,
  gateway: Gateway,
  at: string,
  snapshots: Snapshots,
  onOpen: () => void,
): void {
  const streams = new SnapshotStream(snapshots, gateway);
  app.get(
    `${at}/api/stream`,
    { config: { access: 'read:all', endless: true }, exposeHeadRoute: false, schema: { hide: true } },
    async (request, reply) => {
      const stream = streams.open(request.holds);
      onOpen();
      // The connection is not reused after a stream: it would keep a server open that is shutting down.
      reply.header('x-accel-buffering', 'no').header('connection', 'close').type('text/event-stream');
      return reply.send(stream);
    },
  );
}
