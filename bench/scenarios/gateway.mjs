import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { digitRow } from '../lib/digits.mjs';
import { HttpCalls, openEvents } from '../lib/http.mjs';
import { memoryOf } from '../lib/place.mjs';
import { writePoolModel } from '../lib/pool-model.mjs';
import { Recipe, recipeMissing } from '../lib/recipe.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { compare, median, percentile } from '../lib/stats.mjs';
import { hasWrk, wrkRate } from '../lib/wrk.mjs';

export const title = 'gateway: infer serve against the library, and against FastAPI with Celery';

const BARE_SERVER = new URL('../baselines/bare-gateway.mjs', import.meta.url);
const JSON_TYPE = { 'content-type': 'application/json' };
const LIBRARY = 'InferClient.run';
const BARE = 'a bare node:http server';
const WARM_UP = 200;
const CONNECTIONS = 64;
const PREDICT_CONNECTIONS = 32;
const STREAMS = 1_000;
const IMAGE = { name: 'image5m', shape: [3, 640, 640] };
const IMAGES_AT_ONCE = 8;
/** Ticks a second of the times in /proc/<pid>/stat; the same on every Linux of today. */
const TICKS = 100;

/** @typedef {import('../lib/place.mjs').Place} Place */
/** @typedef {import('../lib/sizes.mjs').Amount} Amount */
/** @typedef {import('../lib/stats.mjs').Line} Line */
/** @typedef {Awaited<ReturnType<Place['redis']>>} Server */
/** @typedef {{ours: string, bare: string}} Urls */

/** @param {Place} place @param {Amount} amount */
export async function run(place, amount) {
  const server = await place.redis();
  await place.worker(server.url, ['-Q', 'realtime']);
  const gateway = await place.gateway(server.url);
  const calls = sizeOf(amount, { usual: 500, perSecond: 100 });
  const bare = await place.baseline(BARE_SERVER, { socket: server.socket });
  const { url: bareUrl } = await bare.ask('url');
  const urls = { ours: gateway.url, bare: bareUrl };
  const lines = await oneConnection(server, urls, calls, amount);
  const wrk = hasWrk();
  const recipe = recipeMissing();
  if (wrk) lines.push(...(await manyConnections(place, server, urls, amount)));
  await place.stop(bare.child);
  if (wrk && recipe === undefined) lines.push(...(await predictions(place, server, gateway.url, amount)));
  await place.stop(gateway.child);
  lines.push(...(await largeTensors(place, amount)), ...(await eventStreams(place, server, amount)));
  const packages = [...(wrk ? [] : ['wrk']), ...(recipe?.packages ?? [])];
  const missing =
    packages.length === 0
      ? undefined
      : `rows without ${[...(wrk ? [] : ['wrk']), ...(recipe === undefined ? [] : [recipe.why])].join('; ')} are left out: ` +
        `sudo apt-get install --no-install-recommends ${packages.join(' ')}`;
  return { lines, size: `${calls} calls a side and round`, ...(missing === undefined ? {} : { missing }) };
}

/** A request of the Open Inference Protocol for one digit. @param {number} i */
function inferBody(i) {
  const inputs = [{ name: 'pixels', datatype: 'FP32', shape: [1, 64], data: digitRow(i) }];
  return Buffer.from(JSON.stringify({ inputs }));
}

/** @param {Server} server @param {Urls} urls @param {number} calls @param {Amount} amount @returns {Promise<Line[]>} */
async function oneConnection({ client }, urls, calls, amount) {
  const [http, bareHttp] = [new HttpCalls(urls.ours, 1), new HttpCalls(urls.bare, 1)];
  const ours = (/** @type {number} */ i) => http.post('/v2/models/digits/infer', inferBody(i), JSON_TYPE);
  const bare = (/** @type {number} */ i) => bareHttp.post('/', inferBody(i), JSON_TYPE);
  const library = (/** @type {number} */ i) =>
    client.run(digitRow(i), { model: 'digits', queue: 'realtime' });
  for (const call of [ours, library, bare]) await times(call, Math.min(calls, WARM_UP));
  const rounds = [];
  for (let round = 0; round < roundsOf(amount); round++) {
    rounds.push({
      ours: await times(ours, calls),
      library: await times(library, calls),
      bare: await times(bare, calls),
    });
  }
  http.close();
  bareHttp.close();
  const p50s = (/** @type {'ours' | 'library' | 'bare'} */ side) =>
    rounds.map((round) => percentile(round[side], 50));
  const added = p50s('ours').map((ms, round) => ms - (p50s('library')[round] ?? Number.NaN));
  const what = 'infer, one connection, p50';
  return [
    compare({ what, unit: 'ms', against: LIBRARY }, p50s('ours'), p50s('library')),
    compare({ what, unit: 'ms', against: BARE }, p50s('ours'), p50s('bare')),
    { what: `${what}: more than the library`, unit: 'ms', ours: median(added), target: '<= 1 ms' },
  ];
}

/** @param {Place} place @param {Server} server @param {Urls} urls @param {Amount} amount @returns {Promise<Line[]>} */
async function manyConnections(place, { client }, urls, amount) {
  const seconds = amount.seconds ?? 5;
  const calls = sizeOf(amount, { usual: 5_000, perSecond: 1_000 });
  const body = inferBody(0).toString();
  const load = { connections: CONNECTIONS, seconds };
  const http = () => wrkRate(place, `${urls.ours}/v2/models/digits/infer`, body, load);
  const bare = () => wrkRate(place, `${urls.bare}/`, body, load);
  const library = () =>
    rate((i) => client.run(digitRow(i), { model: 'digits', queue: 'realtime' }), calls, CONNECTIONS);
  await library();
  /** @type {Record<'ours' | 'library' | 'bare', number[]>} */
  const rounds = { ours: [], library: [], bare: [] };
  for (let round = 0; round < roundsOf(amount, 3); round++) {
    rounds.ours.push(await http());
    rounds.library.push(await library());
    rounds.bare.push(await bare());
  }
  const what = `infer, ${CONNECTIONS} connections`;
  const words = {
    what,
    unit: 'requests/s',
    against: `${LIBRARY}, ${CONNECTIONS} at once`,
    target: '>= 0.6x',
  };
  const againstBare = { what, unit: 'requests/s', against: BARE };
  return [compare(words, rounds.ours, rounds.library), compare(againstBare, rounds.ours, rounds.bare)];
}

/** @param {Place} place @param {Server} server @param {string} url @param {Amount} amount @returns {Promise<Line[]>} */
async function predictions(place, server, url, amount) {
  const seconds = amount.seconds ?? 5;
  const body = JSON.stringify(digitRow(0));
  const recipe = await Recipe.start(place, server, Buffer.from(body));
  const load = { connections: PREDICT_CONNECTIONS, seconds };
  const ours = async () => {
    const found = await wrkRate(place, `${url}/predict?model=digits`, body, load);
    await worked(server);
    return found;
  };
  const theirs = async () => {
    const found = await wrkRate(place, `${recipe.url}/predict`, body, load);
    await recipe.clear();
    return found;
  };
  const rounds = { ours: /** @type {number[]} */ ([]), theirs: /** @type {number[]} */ ([]) };
  for (let round = 0; round < roundsOf(amount, 3); round++) {
    rounds.ours.push(await ours());
    rounds.theirs.push(await theirs());
  }
  const what = `POST /predict, ${PREDICT_CONNECTIONS} connections`;
  const words = { what, unit: 'requests/s', against: 'FastAPI and Celery', target: '>= 5x' };
  return [compare(words, rounds.ours, rounds.theirs)];
}

/** Waits until the worker has worked off what was accepted. @param {Server} server */
async function worked({ client }) {
  const base = '{infer:realtime}:realtime';
  while ((await client.redis.zcard(`${base}:prioritized`)) + (await client.redis.llen(`${base}:active`)) > 0)
    await delay(50);
}

/** @param {Place} place @param {Amount} amount @returns {Promise<Line[]>} */
async function largeTensors(place, amount) {
  const models = join(place.dir, 'models');
  const [channels, height, width] = /** @type {[number, number, number]} */ (IMAGE.shape);
  writePoolModel(models, IMAGE.name, [channels, height, width]);
  const server = await place.redis();
  await place.worker(server.url, ['-Q', 'realtime', '--models', models]);
  // Its own, so that its peak of memory is that of large tensors.
  const gateway = await place.gateway(server.url);
  const elements = channels * height * width;
  const image = Float32Array.from({ length: elements }, (_, i) => (i % 255) / 255);
  const inputs = [
    {
      name: 'image',
      datatype: 'FP32',
      shape: [1, ...IMAGE.shape],
      parameters: { binary_data_size: image.byteLength },
    },
  ];
  const head = Buffer.from(JSON.stringify({ inputs }));
  const body = Buffer.concat([head, Buffer.from(image.buffer)]);
  const headers = {
    'inference-header-content-length': String(head.length),
    'content-type': 'application/octet-stream',
  };
  const http = new HttpCalls(gateway.url, IMAGES_AT_ONCE);
  const ours = () => http.post(`/v2/models/${IMAGE.name}/infer`, body, headers);
  const library = async () => {
    const { state, error } = await server.client.run(image, { model: IMAGE.name, queue: 'realtime' });
    if (state !== 'completed') throw new Error(`${state}: ${error?.message}`);
  };
  const calls = sizeOf(amount, { usual: 40, perSecond: 10 });
  for (const call of [ours, library]) await times(call, 5);
  const rounds = [];
  for (let round = 0; round < roundsOf(amount, 3); round++)
    rounds.push({ ours: await times(ours, calls), library: await times(library, calls) });
  const oneByOne = memoryOf(gateway.child.pid, 'VmHWM') / 1e6;
  await rate(ours, calls * 2, IMAGES_AT_ONCE);
  const together = memoryOf(gateway.child.pid, 'VmHWM') / 1e6;
  http.close();
  await place.stop(gateway.child);
  const p50s = (/** @type {'ours' | 'library'} */ side) => rounds.map((round) => percentile(round[side], 50));
  const what = '5 MB binary tensor';
  const words = { what: `${what}, one at a time, p50`, unit: 'ms', against: LIBRARY, target: '<= 1.2x' };
  return [
    compare(words, p50s('ours'), p50s('library')),
    { what: `${what}, one at a time: peak memory of the gateway`, unit: 'MB', ours: oneByOne },
    {
      what: `${what}, ${IMAGES_AT_ONCE} at once: peak memory of the gateway`,
      unit: 'MB',
      ours: together,
      target: '<= 200 MB',
    },
  ];
}

/** Each stream follows a job of its own, which waits. @param {Place} place @param {Server} server @param {Amount} amount @returns {Promise<Line[]>} */
async function eventStreams(place, { url, client }, amount) {
  const gateway = await place.gateway(url);
  const submit = (/** @type {number} */ i) =>
    client.submit(digitRow(i), { model: 'digits', queue: 'lonely' });
  const [first, ...jobs] = await Promise.all(Array.from({ length: STREAMS + 1 }, (_, i) => submit(i)));
  const events = (/** @type {string | undefined} */ id) => openEvents(`${gateway.url}/v1/jobs/${id}/events`);
  // The first one opens the connection that all share.
  const closers = [await events(first?.id)];
  const before = await readersOf(client.redis);
  for (let at = 0; at < jobs.length; at += 100)
    closers.push(...(await Promise.all(jobs.slice(at, at + 100).map(({ id }) => events(id)))));
  await delay(2_000);
  const after = await readersOf(client.redis);
  const seconds = amount.seconds === undefined ? 15 : Math.max(2, amount.seconds);
  const idle = await usage(gateway.child.pid, client.redis, seconds);
  const memory = memoryOf(gateway.child.pid, 'VmRSS') / 1e6;
  for (const close of closers) close();
  await place.stop(gateway.child);
  const what = `${STREAMS} event streams`;
  return [
    {
      what: `${what}: more connections to Redis than one needs`,
      unit: '',
      ours: after - before,
      target: '0',
    },
    { what: `${what}, idle: commands of all clients of Redis`, unit: '/s', ours: idle.commands },
    { what: `${what}, idle: gateway`, unit: '% of a core', ours: idle.cpu * 100, target: '<= 10 %' },
    { what: `${what}, idle: memory of the gateway`, unit: 'MB', ours: memory },
  ];
}

/** Connections to a server. @param {Server['client']['redis']} redis */
async function readersOf(redis) {
  return String(await redis.client('LIST'))
    .trim()
    .split('\n').length;
}

/**
 * Processor time of a process, as a part of a core, and commands a second of a server, over some seconds.
 * @param {number | undefined} pid @param {Server['client']['redis']} redis @param {number} seconds
 */
async function usage(pid, redis, seconds) {
  const [from, began, commands] = [processorTime(pid), performance.now(), await commandsOf(redis)];
  await delay(seconds * 1000);
  const took = (performance.now() - began) / 1000;
  return {
    cpu: (processorTime(pid) - from) / took,
    commands: ((await commandsOf(redis)) - commands) / took,
  };
}

/** Seconds of user and system time so far. @param {number | undefined} pid */
function processorTime(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name of the program, in brackets, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Commands that a server has run, those within scripts included. @param {Server['client']['redis']} redis */
async function commandsOf(redis) {
  const stats = await redis.info('commandstats');
  return [...stats.matchAll(/calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0);
}

/** Milliseconds of each call, one after the other. @param {(i: number) => Promise<unknown>} call @param {number} n */
async function times(call, n) {
  const found = [];
  for (let i = 0; i < n; i++) {
    const began = performance.now();
    await call(i);
    found.push(performance.now() - began);
  }
  return found;
}

/** Calls a second, so many at once. @param {(i: number) => Promise<unknown>} call @param {number} n @param {number} atOnce */
async function rate(call, n, atOnce) {
  let next = 0;
  const began = performance.now();
  const one = async () => {
    while (next < n) await call(next++);
  };
  await Promise.all(Array.from({ length: Math.min(n, atOnce) }, one));
  return (n / (performance.now() - began)) * 1000;
}
