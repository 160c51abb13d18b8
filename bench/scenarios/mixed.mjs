import { digitChunks, digitRow } from '../lib/digits.mjs';
import { Lane } from '../lib/lanes.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { median, percentile } from '../lib/stats.mjs';

export const title = 'mixed: a priority-9 row every 20 ms while batch rows are worked off; ms';

const EVERY_MS = 20;

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const rows = sizeOf(amount, { usual: 100_000, perSecond: 20_000 });
  const server = await place.redis();
  const { client } = server;
  const lane = new Lane(place, server, 'batch', 'infer');
  await place.worker(server.url, ['-Q', 'realtime,batch']);
  const signature = await client.signatures.find('digits');
  const submit = () => client.submitMany(digitChunks(rows), signature, { model: 'digits' });

  /**
   * Open loop: a row is due every 20 ms, whether or not earlier ones were answered.
   * @param {() => boolean} more
   */
  const probe = async (more) => {
    /** @type {number[]} */
    const times = [];
    const calls = [];
    for (let i = 0, due = performance.now(); more(); i++, due += EVERY_MS) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
      const started = performance.now();
      const call = client.run(digitRow(i), { model: 'digits', priority: 9 });
      calls.push(call.then(() => times.push(performance.now() - started)));
    }
    await Promise.all(calls);
    return times;
  };
  const forMs = (/** @type {number} */ ms) => {
    const end = performance.now() + ms;
    return () => performance.now() < end;
  };

  await client.waitGroup((await submit()).group);
  await probe(forMs(500));
  const idle = [];
  const busy = [];
  const runs = [];
  for (let round = 0; round < roundsOf(amount); round++) {
    idle.push(...(await probe(forMs(amount.seconds === undefined ? 2_000 : 500))));
    await lane.hold();
    const { group, jobs } = await submit();
    const before = await lane.ended();
    await lane.open();
    let over = false;
    const watch = lane.timeTo(jobs, before).then(() => {
      over = true;
    });
    busy.push(...(await probe(() => !over)));
    await watch;
    await client.waitGroup(group);
    runs.push(await microBatchMs(server, lane, group, jobs));
  }
  const unit = median(runs);
  const [idle99, busy99] = [percentile(idle, 99), percentile(busy, 99)];
  const versus = (/** @type {number} */ p) => {
    const [ours, baseline] = [percentile(busy, p), percentile(idle, p)];
    return {
      what: `p${p} of ${busy.length} rows`,
      unit: 'ms',
      ours,
      against: 'idle',
      baseline,
      ratio: ours / baseline,
    };
  };
  return {
    lines: [
      versus(50),
      versus(99),
      { what: 'one micro-batch', unit: 'ms', ours: unit },
      { what: 'p99 above idle', unit: 'micro-batches', ours: (busy99 - idle99) / unit, target: '<= 1.5' },
    ],
    size: `${rows} batch rows a round`,
  };
}

/**
 * What one run of the batch lane took: a chunk's run time over the micro-batches it needed at the
 * size the worker has learned.
 * @param {import('../lib/lanes.mjs').Server} server @param {Lane} lane @param {string} group @param {number} jobs
 */
async function microBatchMs({ client }, lane, group, jobs) {
  const [id] = await client.redis.zrange('{infer}:workers', 0, 0);
  const worker = JSON.parse((await client.redis.get(`{infer}:worker:${id}`)) ?? '{}');
  const size = worker.models?.[0]?.batch ?? 256;
  const times = [];
  for (let i = 0; i < jobs; i += Math.ceil(jobs / 50)) {
    const [meta, name] = await client.redis.hmget(`${lane.base}${group}-${i}`, 'm', 'name');
    const rows = Number(/#(\d+)$/.exec(name ?? '')?.[1] ?? 1);
    if (meta) times.push(JSON.parse(meta).runMs / Math.ceil(rows / size));
  }
  return median(times);
}
