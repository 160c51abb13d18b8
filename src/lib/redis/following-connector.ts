import { type RedisOptions, SentinelConnector } from 'ioredis';
import type { Endpoint, FailoverWatch } from './failover-watch.js';

type Emit = Parameters<SentinelConnector['connect']>[0];
type Stream = Awaited<ReturnType<SentinelConnector['connect']>>;

/** The overridden members: the library's types hide how its connector looks up the master. */
interface LibraryConnector {
  connecting: boolean;
  stream?: Stream & { remoteAddress?: string; remotePort?: number };
  connect(emit: Emit): Promise<Stream>;
  disconnect(): void;
  check(info: { role?: string }): boolean;
  resolve(sentinel: Endpoint): Promise<Endpoint | null>;
}
const Base = SentinelConnector as unknown as new (options: unknown) => LibraryConnector;

/**
 * Connects one client to the master named by sentinels, as the library does, and leaves an old master as soon
 * as a failover begins: commands then wait until the new master is ready, and unanswered ones are sent to it
 * again.
 * @returns the connector class, to be instantiated by the library, and a function that stops following
 */
export function followingConnector(watch: FailoverWatch): {
  connector: NonNullable<RedisOptions['Connector']>;
  end: () => void;
} {
  let end = (): void => undefined;
  class FollowingConnector extends Base {
    /** A connection is being made: there is none to close yet. */
    private making = false;

    constructor(options: unknown) {
      super(options);
      end = watch.follow(() => this.leave());
    }

    override async connect(emit: Emit): Promise<Stream> {
      this.connecting = true;
      this.making = true;
      try {
        await watch.settled();
        if (!this.connecting) throw new Error('Connection is closed.');
        const { turns } = watch;
        const stream = await super.connect(emit);
        // The master was replaced during the lookup; the client tries again.
        if (watch.turns !== turns) stream.destroy();
        return stream;
      } finally {
        this.making = false;
      }
    }

    /** Sentinels that did not lead the failover still report the old master for a while, and it answers. */
    override async resolve(sentinel: Endpoint): Promise<Endpoint | null> {
      return watch.leader ?? super.resolve(sentinel);
    }

    private leave(): void {
      const { stream } = this;
      if (this.making || stream === undefined || stream.destroyed) return;
      const { leader } = watch;
      const there = leader?.port === stream.remotePort && leader?.host === stream.remoteAddress;
      if (!there) super.disconnect();
    }
  }
  return {
    connector: FollowingConnector as unknown as NonNullable<RedisOptions['Connector']>,
    end: () => end(),
  };
}
