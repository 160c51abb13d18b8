import { damagedKeyText, type QueueDamage, readDamage, repairCommand } from '../../queue/damage.js';
import { listQueues } from '../../queue/read/reader.js';
import { type Check, fail, type Judgement, ok, several, warn } from '../check.js';
import { permitted } from '../context.js';

export const queueDamage: Check = {
  id: 'queue-damage',
  topic: 'queues',
  title: 'damaged keys and jobs',
  run: async (context) => {
    const { client } = await context.redis();
    const { prefix } = context.loaded.values;
    const queues = await permitted(client, listQueues(client, prefix));
    const damage = queues.map((queue) => readDamage(client, prefix, queue));
    return judgeDamage(await permitted(client, Promise.all(damage)));
  },
};

/** Keys overwritten by another program, and jobs that were set aside as damaged. */
export function judgeDamage(queues: readonly QueueDamage[]): Judgement {
  const broken = queues.filter(({ keys }) => keys.length > 0);
  const keys = broken.flatMap(({ queue, keys: all }) =>
    all.map((key) => `queue ${queue}: ${damagedKeyText(key)}`),
  );
  const jobs = queues.flatMap(({ queue, jobs: all, jobCount }) => [
    ...all.map(({ id, what }) => `job ${id} of queue ${queue}: ${what}`),
    ...(jobCount > all.length ? [`${jobCount - all.length} more damaged jobs of queue ${queue}`] : []),
  ]);
  if (keys.length + jobs.length === 0) return ok('none');
  const { found, details } = several([...keys, ...jobs]);
  const [first] = queues.flatMap((one) => one.jobs);
  const fixes = broken.map(({ queue }) => repairCommand(queue));
  if (first !== undefined) fixes.push(`infer retry ${first.id} (or infer cancel ${first.id})`);
  const fix = fixes.join(' && ');
  return keys.length > 0 ? fail(found, fix, { details }) : warn(found, fix, { details });
}
