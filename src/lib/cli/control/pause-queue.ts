import { plural } from '../../core/counts.js';
import { refuseUnknownNames } from '../../deployment/known-names.js';
import { Producer } from '../../queue/broker/producer.js';
import { snapshotQueue } from '../../queue/read/inspector.js';
import { parseJobFilter } from '../../queue/read/job-filter.js';
import { listWorkers } from '../../queue/registry.js';
import { serverClock, serverNow } from '../../redis/server-clock.js';
import type { Deed, Hands } from './control-command.js';

/** Pausing a queue, or ending its pause, as a deed; doing it twice is fine. */
export function pauseDeed(queue: string, paused: boolean): Deed {
  return {
    action: paused ? 'pause' : 'resume',
    target: queue,
    plan: async (hands) => {
      const { client, prefix } = hands;
      await refuseUnknownNames(client, prefix, parseJobFilter({ queue: [queue] }));
      const [before, workers] = await Promise.all([
        serverNow(client).then((now) => snapshotQueue(client, prefix, queue, now)),
        listWorkers(client, prefix),
      ]);
      const served = workers.some((worker) => worker.queues.includes(queue));
      const jobs = `${plural(before.waiting, 'job')} ${before.waiting === 1 ? 'waits' : 'wait'}`;
      const running = before.active === 0 ? '' : `, ${before.active} still run`;
      const idle = served || paused ? '' : ', and no worker serves it';
      const already = before.paused === paused;
      const state = paused ? 'paused' : 'not paused';
      const words = already ? `is ${state} already: ${jobs}${idle}` : undefined;
      const json = { queue, paused, changed: !already, waiting: before.waiting, active: before.active };
      const line = (verb: string) => `${queue} ${words ?? `${verb}: ${jobs}${paused ? running : idle}`}`;
      return {
        preview: () => ({ lines: [line(paused ? 'would be paused' : 'would go on')], json }),
        act: async () => {
          if (!already) await setPaused(hands, queue, paused);
          const said = line(paused ? 'paused' : 'goes on');
          return { lines: [said], json, ok: true, result: said };
        },
      };
    },
  };
}

async function setPaused({ client, prefix }: Hands, queue: string, paused: boolean): Promise<void> {
  const producer = new Producer(client, prefix, serverClock(client));
  try {
    await producer.setPaused(queue, paused);
  } finally {
    await producer.close();
  }
}
