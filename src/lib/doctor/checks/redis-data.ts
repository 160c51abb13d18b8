import { type DataLoss, isShown, lossFix, lossText, readLosses } from '../../queue/data-mark.js';
import { listQueues } from '../../queue/read/reader.js';
import { serverNow } from '../../redis/server-clock.js';
import { type Check, type Judgement, ok, warn } from '../check.js';
import { permitted } from '../context.js';

export const redisData: Check = {
  id: 'redis-data',
  topic: 'redis',
  title: 'data is kept',
  run: async (context) => {
    const { client } = await context.redis();
    const { prefix } = context.loaded.values;
    const read = async () => readLosses(client, prefix, await listQueues(client, prefix));
    const [losses, now] = await permitted(client, Promise.all([read(), serverNow(client)]));
    return judgeData(losses, now);
  },
};

/** @param losses the latest first */
export function judgeData(losses: readonly DataLoss[], now: number): Judgement {
  const [latest] = losses;
  if (latest === undefined || !isShown(latest, now)) return ok('no loss was seen in the last day');
  return warn(lossText(latest, now), lossFix(latest));
}
