import { Queue } from 'bullmq';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { bullBase } from '../keys.js';
import { EVENTS_KEPT, KEY } from '../wire.js';

/**
 * Sets the maximum length of the queues' event streams, for BullMQ's scripts, ours or another program's.
 * BullMQ's default of 10,000 entries, with 4 events per job, takes megabytes.
 */
export async function settleQueues(
  client: RedisClient,
  prefix: string,
  queues: readonly string[],
): Promise<void> {
  await Promise.all(
    // If the key has another type, `readDamage` reports it; the worker serves the queue anyway.
    queues.map((queue) =>
      ifReadable(client.hset(`${bullBase(prefix, queue)}meta`, 'opts.maxLenEvents', EVENTS_KEPT), 0),
    ),
  );
}

/** A BullMQ queue for adding jobs, on a shared connection. */
export async function openQueue(client: RedisClient, tag: string, name: string): Promise<Queue> {
  const queue = new Queue(name, {
    connection: client,
    prefix: tag,
    streams: { events: { maxLen: EVENTS_KEPT } },
    // We check version and eviction policy and word the messages; BullMQ prints to the console.
    skipVersionCheck: true,
    // A submitter needs no right to change a queue's settings: `paused` is one of them.
    skipMetasUpdate: true,
  });
  // Without a listener BullMQ prints whole errors, arguments included, to the console.
  queue.on('error', () => undefined);
  await queue.waitUntilReady();
  adaptAdding(client);
  return queue;
}

const ADDS = /^add\w*Job:/;
/** How BullMQ 6.7's scripts that add jobs set the length of the event stream when it is not set. */
const WRITES_SETTING = /maxEvents = 10000\s+rcall\("HSET", metaKey, "opts\.maxLenEvents", maxEvents\)/g;

/** Where they write a new job; an existing id was skipped before this point. */
const STORES_JOB = /rcall\("HMSET", jobIdKey, "name"/g;

/** Keys that no job depends on: if one is damaged, the job is added anyway. */
const OPTIONAL_WRITES = /rcall\("XADD", eventsKey|rcall\("ZADD", markerKey/g;

/**
 * Runs only in the step that adds a job: its separately stored input, if any, no longer expires until the job
 * has ended, and its deadline is recorded. A command repeated after a lost connection, or a duplicate id,
 * finds the existing job and changes neither. Inline inputs end in a quote.
 *
 * First read the keys that the job is added to. If one had the wrong type, the script would fail after
 * storing the job but before adding it to a list: it would never run, and a second submit of its id would
 * find it existing.
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
      -- If the set is damaged, the deadline is checked when the job is taken.
      if type(reply) == "table" and reply.err and not string.find(reply.err, "WRONGTYPE", 1, true) then
        rcall(unpack(noted))
      end
    end
    `;

const changed = new WeakSet<RedisClient>();

/**
 * Adapts BullMQ's scripts that add jobs. If the length of the event stream is not set, they use our value
 * instead of writing BullMQ's to the settings: a Redis user that may not write a queue's settings, and so
 * cannot pause it, can still submit to a new queue. And a job's input expiry and deadline are written in the
 * same step.
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
        .replace(OPTIONAL_WRITES, (write) => write.replace('rcall', 'redis.pcall')),
    });
  }
}
