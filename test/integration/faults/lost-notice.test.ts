import { expect, it } from 'vitest';
import { payloadFromValue } from '../../../src/lib/input/value.js';
import { bullBase, groupKey, queueTag } from '../../../src/lib/queue/keys.js';
import { doubler, writeModel } from '../../support/onnx-builder.js';
import { useRedis } from '../../support/redis.js';
import { until, useFaults } from './fault-kit.js';

const redis = useRedis();
const kit = useFaults(redis, ['double'], (dir) => writeModel(dir, 'double', doubler()));
const ROW = { x: [1, 2, 3, 4] };

/** Removes the waiting client's list from a job or group, so that no one is told of its end. */
async function loseNotice(key: string): Promise<void> {
  const client = await redis.client();
  await until(async () => ((await client.hexists(key, 'rl')) === 1 ? true : undefined));
  await client.hdel(key, 'rl');
}

// These waits have no time limit: they would check once more at its end.
it("a waiter whose notice was lost finds the job's result by polling", async () => {
  const { id } = await kit.client.submit(ROW, { model: 'double' });
  const waiting = kit.client.wait(id);
  await loseNotice(bullBase('faults', 'realtime') + id);
  await kit.worker();
  expect(await waiting).toMatchObject({ state: 'completed', result: { y: [3, 5, 7, 9] } });
});

it('a waiter whose notice was lost finds that the group has ended by polling', async () => {
  const signature = await kit.client.signatures.find('double');
  async function* chunks() {
    yield payloadFromValue([ROW, ROW], signature);
  }
  const { group } = await kit.client.submitMany(chunks(), signature);
  const waiting = kit.client.waitGroup(group);
  await loseNotice(groupKey(queueTag('faults', 'batch'), group));
  await kit.worker();
  expect(await waiting).toMatchObject({ state: 'completed', rowsDone: 2 });
});
