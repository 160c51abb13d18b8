import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { connect } from '../../../src/lib/redis/connect.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { FaultyNetwork } from '../../support/proxy.js';
import { type TestRedis, useRedis } from '../../support/redis.js';
import type { Request } from '../../support/requests.js';
import { QueueKit } from './queue-kit.js';

export interface ResendKit {
  readonly redis: TestRedis;
  readonly kit: QueueKit;
  readonly network: FaultyNetwork;
  /**
   * A client behind `network` that reconnects automatically after its connection was cut, and resends unanswered
   * requests.
   */
  readonly cutOff: RedisClient;
}

/** A queue for each test, on a server that one client reaches through a network that can be cut. */
export function useResend(): ResendKit {
  const redis = useRedis({ port: true });
  const now: { redis: TestRedis; kit?: QueueKit; network?: FaultyNetwork; cutOff?: RedisClient } = { redis };
  beforeAll(async () => {
    now.network = await FaultyNetwork.open(redis.port as number);
  });
  afterAll(() => now.network?.close());
  beforeEach(async () => {
    now.kit = await QueueKit.open(redis);
    const { url } = now.network as FaultyNetwork;
    const target = { url, label: url, source: 'flag' as const };
    now.cutOff = await connect(target, 'worker', redis.settings({ url }));
  });
  afterEach(async () => {
    now.cutOff?.disconnect();
    await now.kit?.close();
  });
  return now as ResendKit;
}

/** Requests that add a job with this id: BullMQ's scripts, which take the id as one argument. */
export const adds = (id: string) => (request: Request) =>
  (request[0] === 'eval' || request[0] === 'evalsha') &&
  request.some((one) => one.startsWith('{"s":{')) &&
  request.some((one) => one.includes(id));

/** Cuts a connection after the server ran such a request; nothing is resent before `network.pass()`. */
export async function cutAndHold(
  network: FaultyNetwork,
  matches: (request: Request) => boolean,
): Promise<void> {
  await network.cutAfter(matches);
  network.silence();
}

/** Polls until it holds; the test's own limit ends it. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds()));
}
