import { expect, it } from 'vitest';
import { payloadFromValue } from '../../../src/lib/input/value.js';
import { bullBase, groupKey, queueTag } from '../../../src/lib/queue/keys.js';
import { doubler, writeModel } from '../../support/onnx-builder.js';
import { useRedis } from '../../support/redis.js';
import { until, useFaults } from './fault-kit.js';

const redis = useRedis();
const kit = useFaults(redis, ['double'], (dir) => writeModel(dir, 'double', doubler()));
const ROW = { x: [1, 2, 3, 4] };

/** Takes the waiting client's list off a job or group, so that its end is told to no one. */
async function loseNotice(key: string): Promise<void> {
  const client = await redis.client();
  await until(async () => ((await client.hexists(key, 'rl')) === 1 ? true : undefined));
  await client.hdel(key, 'rl');
}

// These waits have no limit of their own: at its end they would look once more.
it('who waits for a job whose notice was lost looks at its state, and has the result', async () => {
  const { id } = await kit.client.submit(ROW, { model: 'double' });
  const waiting = kit.client.wait(id);
  await loseNotice(bullBase('faults', 'realtime') + id);
  await kit.worker();
  expect(await waiting).toMatchObject({ state: 'completed', result: { y: [3, 5, 7, 9] } });
});

it('who waits for a group whose notice was lost sees that it has ended', async () => {
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
