import { type RedisOptions, SentinelConnector } from 'ioredis';
import type { Endpoint, FailoverWatch } from './failover-watch.js';

type Emit = Parameters<SentinelConnector['connect']>[0];
type Stream = Awaited<ReturnType<SentinelConnector['connect']>>;

/** What is overridden here: the library's types keep to themselves how its connector looks for the master. */
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
 * Makes the connections of one client to the master that sentinels name, as the library does, and leaves an old
 * master at once when a failover begins: commands then wait until the new one leads, and those that were not
 * answered are sent again to it.
 * @returns the connector, as the library makes its own of it, and what ends its following
 */
export function followingConnector(watch: FailoverWatch): {
  connector: NonNullable<RedisOptions['Connector']>;
  end: () => void;
} {
  let end = (): void => undefined;
  class FollowingConnector extends Base {
    /** A connection is being made: there is none to give up yet. */
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
        // The master was replaced while it was looked for; the client tries again.
        if (watch.turns !== turns) stream.destroy();
        return stream;
      } finally {
        this.making = false;
      }
    }

    /** Sentinels that did not decide the failover still name the old master for a while, and it answers. */
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
