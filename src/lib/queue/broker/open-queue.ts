import { Queue } from 'bullmq';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { bullBase } from '../keys.js';
import { EVENTS_KEPT, KEY } from '../wire.js';

/**
 * Writes how long the event streams of queues may get, for BullMQ's scripts, ours or another program's. BullMQ's default
 * of 10,000 entries with 4 events a job holds megabytes.
 */
export async function settleQueues(
  client: RedisClient,
  prefix: string,
  queues: readonly string[],
): Promise<void> {
  await Promise.all(
    // Of another type it is named by `readDamage`; the worker serves the queue all the same.
    queues.map((queue) =>
      ifReadable(client.hset(`${bullBase(prefix, queue)}meta`, 'opts.maxLenEvents', EVENTS_KEPT), 0),
    ),
  );
}

/** A queue of BullMQ's to add jobs with, on a connection that others use too. */
export async function openQueue(client: RedisClient, tag: string, name: string): Promise<Queue> {
  const queue = new Queue(name, {
    connection: client,
    prefix: tag,
    streams: { events: { maxLen: EVENTS_KEPT } },
    // Version and eviction policy are ours to check and to word; BullMQ prints to the console.
    skipVersionCheck: true,
    // Who submits need not be allowed to change a queue's settings: `paused` is one of them.
    skipMetasUpdate: true,
  });
  // Without a listener BullMQ prints whole errors, arguments included, to the console.
  queue.on('error', () => undefined);
  await queue.waitUntilReady();
  adaptAdding(client);
  return queue;
}

const ADDS = /^add\w*Job:/;
/** How BullMQ 6.7's scripts of adding write the length of the event stream where it is not set. */
const WRITES_SETTING = /maxEvents = 10000\s+rcall\("HSET", metaKey, "opts\.maxLenEvents", maxEvents\)/g;

/** Where they write a job that was not there; one of an id that is there is left alone before. */
const STORES_JOB = /rcall\("HMSET", jobIdKey, "name"/g;

/** What no job depends on: where such a key is damaged, the job is added all the same. */
const BESIDE = /rcall\("XADD", eventsKey|rcall\("ZADD", markerKey/g;

/**
 * In the step that adds a job, and only then: its input, if it has a key of its own, stays until the job
 * has ended, and its deadline is noted. A command that is sent again after a lost connection, or an
 * id that comes twice, finds the job and changes neither. Inputs that ride along end in a quote.
 *
 * First the keys are read that the job is put into. Were one of another type, the script would fail when the job is
 * stored and in no list: it would never run, and a second submit of its id would find it there.
 */
const WITH_JOB = `local base = string.sub(jobIdKey, 1, #jobIdKey - #jobId)
    rcall("ZCARD", base .. "prioritized")
    rcall("ZCARD", base .. "delayed")
    local counter = rcall("GET", base .. "pc")
    if counter and not string.match(counter, "^%-?%d+$") then error("DAMAGED " .. base .. "pc", 0) end
    local tag = string.match(jobIdKey, "^({.-}):")
    if tag and string.sub(data, -2) == "}}" then rcall("PERSIST", tag .. ":${KEY.input}:" .. jobId) end
    local at = tag and string.find(data, '"deadline":', 1, true)
    if at then
      local noted = {"ZADD", tag .. ":${KEY.deadlines}", string.match(data, "%d+", at), jobId}
      local reply = redis.pcall(unpack(noted))
      -- With a damaged set the job is held against its deadline when it is taken.
      if type(reply) == "table" and reply.err and not string.find(reply.err, "WRONGTYPE", 1, true) then
        rcall(unpack(noted))
      end
    end
    `;

const changed = new WeakSet<RedisClient>();

/**
 * Fits BullMQ's scripts of adding to this client's use. They take our length of the event stream where
 * none is set, instead of writing BullMQ's: a Redis user that may not write a queue's settings, and so
 * not pause it, can still submit to a new queue. And what belongs to a job is written with it.
 */
function adaptAdding(client: RedisClient): void {
  if (changed.has(client)) return;
  changed.add(client);
  const { scriptsSet } = client as unknown as {
    scriptsSet: Record<string, { lua: string; numberOfKeys: number }>;
  };
  for (const [name, { lua, numberOfKeys }] of Object.entries(scriptsSet)) {
    if (!ADDS.test(name)) continue;
    client.defineCommand(name, {
      numberOfKeys,
      lua: lua
        .replace(WRITES_SETTING, `maxEvents = ${EVENTS_KEPT}`)
        .replace(STORES_JOB, (write) => WITH_JOB + write)
        .replace(BESIDE, (write) => write.replace('rcall', 'redis.pcall')),
    });
  }
}
