import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { childrenOf, memoryOf } from '../lib/place.mjs';
import { writePoolModel } from '../lib/pool-model.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { compare, percentile } from '../lib/stats.mjs';

export const title =
  'large: single-row jobs of 600 KB and 5 MB, 8 at once and one at a time; a model of a mean';

const IMAGES = [
  { name: 'image600k', label: '600 KB', shape: [3, 224, 224], share: 1 },
  { name: 'image5m', label: '5 MB', shape: [3, 640, 640], share: 0.2 },
];
const AGAINST = 'naive BullMQ, base64';
const AT_ONCE = 8;
/** Jobs submitted at once, so that the worker finds a queue of them. */
const BACKLOG = 64;
const BEAT_MS = 1_000;
const RESOLUTION_MS = 5;

const WORKER = new URL('../baselines/large-worker.mjs', import.meta.url);
const CLIENT = new URL('../baselines/large-client.mjs', import.meta.url);

/** @typedef {{rate: number, p50: number, lag: number, idle: number}} Measured */

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const most = sizeOf(amount, { usual: 1_000, perSecond: 50 });
  const models = join(place.dir, 'models');
  const queues = IMAGES.map(({ name, shape }) => ({
    queue: name,
    shape,
    model: writePoolModel(models, name, shape),
  }));
  const names = queues.map(({ queue }) => queue);
  const lines = [];
  for (const { name, label, shape, share } of IMAGES) {
    // New processes for each size, so that a memory peak belongs to this size.
    const ours = await inferSide(place, models, names);
    const naive = await naiveSide(place, queues);
    const jobs = Math.max(AT_ONCE, Math.round(most * share));
    /** @type {Record<'ours' | 'naive', Measured[]>} */
    const measured = { ours: [], naive: [] };
    for (const side of [ours, naive])
      await side.client({ queue: name, shape, jobs: AT_ONCE, atOnce: AT_ONCE });
    for (let round = 0; round < roundsOf(amount, 3); round++) {
      measured.ours.push(await measure(ours, { queue: name, shape, jobs }));
      measured.naive.push(await measure(naive, { queue: name, shape, jobs }));
    }
    lines.push(...report(label, shape, measured), ...peaks(label, ours.peaks(), naive.peaks()));
    const backlog = Math.min(jobs, amount.seconds === undefined ? BACKLOG : AT_ONCE * 2);
    const queued = { queue: name, shape, jobs: backlog, atOnce: backlog };
    const [deep, naiveDeep] = [await load(ours, queued), await load(naive, queued)];
    const what = `${label}, ${backlog} waiting`;
    lines.push(
      compare({ what, unit: 'jobs/s', against: AGAINST }, [deep.rate], [naiveDeep.rate]),
      compare(
        { what: `${what}, longest loop delay`, unit: 'ms', target: '<= 20', against: AGAINST },
        [deep.lag],
        [naiveDeep.lag],
      ),
      ...peaks(what, ours.peaks(), naive.peaks()),
    );
    await ours.close();
    await naive.close();
  }
  return { lines, size: `${most} jobs of 600 KB` };
}

/** @typedef {Awaited<ReturnType<typeof inferSide>> | Awaited<ReturnType<typeof naiveSide>>} Side */

/**
 * Jobs a second, and the longest delay of the worker's loop meanwhile; `idle` is that of this process,
 * which has nothing to do: what the machine adds to both.
 * @param {Side} side @param {{queue: string, shape: number[], jobs: number, atOnce: number}} what
 */
async function load(side, what) {
  const lag = await side.watch();
  const own = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  own.enable();
  const { rate } = await side.client(what);
  own.disable();
  const idle = Math.max(0, own.max / 1e6 - RESOLUTION_MS);
  return { rate: /** @type {number} */ (rate), lag: /** @type {number} */ (await lag()), idle };
}

/**
 * Under load, then one call after the other.
 * @param {Side} side @param {{queue: string, shape: number[], jobs: number}} what @returns {Promise<Measured>}
 */
async function measure(side, what) {
  const loaded = await load(side, { ...what, atOnce: AT_ONCE });
  const { times } = await side.client({ ...what, jobs: Math.ceil(what.jobs / 4), atOnce: 1 });
  return { ...loaded, p50: percentile(times, 50) };
}

/** @param {import('../lib/place.mjs').Place} place @param {string} models @param {string[]} names */
async function inferSide(place, models, names) {
  const server = await place.redis();
  const worker = await place.worker(server.url, ['-Q', names.join(','), '--models', models]);
  const client = await place.baseline(CLIENT, { kind: 'infer', socket: server.socket, queues: names });
  const { redis } = server.client;
  const beat = async () => {
    const [id] = await redis.zrange('{infer}:workers', '0', '-1');
    return JSON.parse((await redis.get(`{infer}:worker:${id}`)) ?? '{}');
  };
  /** Every heartbeat from now until asked for, including the first one after the load. */
  const watch = async () => {
    const first = await nextBeat(beat);
    let worst = 0;
    let over = false;
    const looking = (async () => {
      for (let last = first; !over; await delay(BEAT_MS / 5)) {
        const { beatAt, loopLagMs } = await beat();
        if (beatAt !== last) worst = Math.max(worst, loopLagMs);
        last = beatAt;
      }
    })();
    return async () => {
      await nextBeat(beat);
      over = true;
      await looking;
      return Math.max(worst, (await beat()).loopLagMs);
    };
  };
  return {
    client: client.ask,
    watch,
    peaks: () => ({
      worker: peakOf(worker.pid),
      runner: childrenOf(worker.pid).map(peakOf).at(0) ?? Number.NaN,
      client: peakOf(client.child.pid),
    }),
    close: async () => {
      for (const child of [client.child, worker]) await place.stop(child);
    },
  };
}

/** @param {import('../lib/place.mjs').Place} place @param {{queue: string, shape: number[], model: string}[]} queues */
async function naiveSide(place, queues) {
  const { socket } = await place.redis();
  const worker = await place.baseline(WORKER, { socket, queues });
  const names = queues.map(({ queue }) => queue);
  const client = await place.baseline(CLIENT, { kind: 'naive', socket, queues: names });
  const watch = async () => {
    await worker.ask({});
    return () => worker.ask({});
  };
  return {
    client: client.ask,
    watch,
    peaks: () => ({ worker: peakOf(worker.child.pid), runner: 0, client: peakOf(client.child.pid) }),
    close: async () => {
      for (const { child } of [client, worker]) await place.stop(child);
    },
  };
}

/** Waits for the next heartbeat and answers when it was. @param {() => Promise<{beatAt: number}>} beat */
async function nextBeat(beat) {
  const { beatAt: before } = await beat();
  for (;;) {
    const { beatAt } = await beat();
    if (beatAt !== before) return beatAt;
    await delay(BEAT_MS / 20);
  }
}

/** @param {number | undefined} pid */
const peakOf = (pid) => memoryOf(pid, 'VmHWM') / 1e6;

/** @param {string} label @param {number[]} shape @param {Record<'ours' | 'naive', Measured[]>} measured */
function report(label, shape, { ours, naive }) {
  const megabytes = (shape.reduce((all, one) => all * one, 1) * 4) / 1e6;
  const rates = (/** @type {Measured[]} */ side, factor = 1) => side.map(({ rate }) => rate * factor);
  const p50s = (/** @type {Measured[]} */ side) => side.map(({ p50 }) => p50);
  const lags = (/** @type {Measured[]} */ side) => side.map(({ lag }) => lag);
  const what = `${label}, ${AT_ONCE} at once`;
  return [
    compare({ what, unit: 'jobs/s', against: AGAINST }, rates(ours), rates(naive)),
    compare(
      { what: `${what}: input`, unit: 'MB/s', against: AGAINST },
      rates(ours, megabytes),
      rates(naive, megabytes),
    ),
    compare({ what: `${label}, one at a time, p50`, unit: 'ms', against: AGAINST }, p50s(ours), p50s(naive)),
    compare(
      { what: `${label}, longest loop delay, worst round`, unit: 'ms', target: '<= 20', against: AGAINST },
      [Math.max(...lags(ours))],
      [Math.max(...lags(naive))],
    ),
    compare(
      { what: `${label}, longest loop delay, median round`, unit: 'ms', against: 'an idle process then' },
      lags(ours),
      ours.map(({ idle }) => idle),
    ),
  ];
}

/** @typedef {{worker: number, runner: number, client: number}} Peaks */

/** @param {string} label @param {Peaks} ours @param {Peaks} naive */
function peaks(label, ours, naive) {
  const sum = (/** @type {Peaks} */ { worker, runner, client }) => worker + runner + client;
  const of = (/** @type {keyof Peaks} */ part) => ({ what: `  ${part}`, unit: 'MB', ours: ours[part] });
  return [
    compare({ what: `${label}, peak memory`, unit: 'MB', against: AGAINST }, [sum(ours)], [sum(naive)]),
    of('worker'),
    of('runner'),
    of('client'),
  ];
}
