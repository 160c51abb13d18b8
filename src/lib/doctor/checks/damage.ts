import { damagedKeyText, type QueueDamage, readDamage, repairCommand } from '../../queue/damage.js';
import { listQueues } from '../../queue/read/reader.js';
import { type RecordDamage, readRecordDamage } from '../../queue/read/record-damage.js';
import { putAwayCommand } from '../../redis/installation-keys.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { type Check, fail, type Judgement, ok, several, warn } from '../check.js';
import { permitted } from '../context.js';

export const queueDamage: Check = {
  id: 'queue-damage',
  topic: 'queues',
  title: 'damaged keys and jobs',
  run: async (context) => {
    const { client } = await context.redis();
    const { prefix } = context.loaded.values;
    // If the list of queues cannot be read, it is itself one of the damaged keys.
    const queues = await permitted(client, ifReadable(listQueues(client, prefix), []));
    const damage = queues.map((queue) => readDamage(client, prefix, queue));
    const [ofQueues, records] = await permitted(
      client,
      Promise.all([Promise.all(damage), readRecordDamage(client, prefix)]),
    );
    return judgeDamage(ofQueues, records);
  },
};

const NONE: RecordDamage = { keys: [], groups: [], complete: true };
/** Maximum number of damaged groups to name. */
const GROUPS_SHOWN = 20;

/** Keys overwritten by another program, and damaged jobs and groups. */
export function judgeDamage(queues: readonly QueueDamage[], records = NONE): Judgement {
  const broken = queues.filter(({ keys }) => keys.length > 0);
  const keys = [
    ...records.keys.map(damagedKeyText),
    ...broken.flatMap(({ queue, keys: all }) => all.map((key) => `queue ${queue}: ${damagedKeyText(key)}`)),
  ];
  const jobs = queues.flatMap(({ queue, jobs: all, jobCount }) => [
    ...all.map(({ id, what }) => `job ${id} of queue ${queue}: ${what}`),
    ...(jobCount > all.length ? [`${jobCount - all.length} more damaged jobs of queue ${queue}`] : []),
  ]);
  const groups = groupLines(records);
  if (keys.length + jobs.length + groups.length === 0) {
    return ok(records.complete ? 'none' : 'none among the checked keys, about 100,000 of each server');
  }
  const { found, details } = several([...keys, ...jobs, ...groups]);
  const [firstJob] = queues.flatMap((one) => one.jobs);
  const [firstGroup] = records.groups;
  const fixes = [
    ...records.keys.map(({ key }) => putAwayCommand(key)),
    ...broken.map(({ queue }) => repairCommand(queue)),
    ...(firstJob === undefined ? [] : [`infer retry ${firstJob.id} (or infer cancel ${firstJob.id})`]),
    ...(firstGroup === undefined
      ? []
      : [`infer result ${firstGroup.id}-0 (and so on, its chunks), then ${putAwayCommand(firstGroup.key)}`]),
  ];
  const fix = fixes.join(' && ');
  return keys.length > 0 ? fail(found, fix, { details }) : warn(found, fix, { details });
}

function groupLines({ groups }: RecordDamage): string[] {
  const shown = groups.slice(0, GROUPS_SHOWN);
  const more = groups.length - shown.length;
  return [
    ...shown.map(({ id, queue, key, what }) => `group ${id} of queue ${queue}: key ${key} ${what}`),
    ...(more > 0 ? [`${more} more damaged groups`] : []),
  ];
}
