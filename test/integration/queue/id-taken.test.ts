import { afterEach, beforeEach, expect, it } from 'vitest';
import { refuseTaken } from '../../../src/lib/client/id-taken.js';
import type { InferError } from '../../../src/lib/core/errors.js';
import { useRedis } from '../../support/redis.js';
import { PREFIX, QueueKit } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
  await kit.producer.registerQueue(kit.queue);
});
afterEach(() => kit.close());

/** The hint for a taken id. */
async function hintFor(id: string, queue: string, kind: 'job' | 'group'): Promise<string | undefined> {
  const refused = await refuseTaken(kit.client, PREFIX, id, { queue, kind }).catch(
    (error: InferError) => error,
  );
  expect(refused).toMatchObject({ code: 'ID_TAKEN' });
  return (refused as InferError).hint;
}

it('the fix for a taken id depends on what uses it', async () => {
  const open = { id: 'many', queue: kit.queue, model: 'm', priority: 0, resultTtl: 600 };
  await kit.producer.groups.open(open, 'me');
  await kit.submit({ id: 'one' });
  const other = 'use another --id: a job and a group cannot have the same id';
  expect(await hintFor('many', kit.queue, 'job')).toBe(other);
  expect(await hintFor('one', kit.queue, 'group')).toBe(other);
  expect(await hintFor('many', 'elsewhere', 'job')).toBe(other);
  expect(await hintFor('one', 'elsewhere', 'job')).toBe(
    `send it to the same queue (-Q ${kit.queue}) if you mean the same job, or use another --id`,
  );
});
