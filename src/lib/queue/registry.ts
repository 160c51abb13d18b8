import { parseModel } from '../core/names.js';
import { THRESHOLDS } from '../core/thresholds.js';
import type { ModelSignature } from '../model/signature.js';
import type { RedisClient } from '../redis/types.js';
import { ifReadable, parsedObject } from '../redis/wrong-type.js';
import { modelsKey, queuesKey, versionsKey, workerKey, workersKey, workTotalsKey } from './keys.js';
import type { WorkerRecord } from './types.js';

/** Lifetime of a heartbeat, in ms. */
export const HEARTBEAT_TTL_MS = THRESHOLDS.workerForgotten.value;

/** Writes a worker's heartbeat. The record expires when the worker dies. */
export async function beat(client: RedisClient, prefix: string, worker: WorkerRecord): Promise<void> {
  await Promise.all([
    client.set(workerKey(prefix, worker.id), JSON.stringify(worker), 'PX', HEARTBEAT_TTL_MS),
    client.zadd(workersKey(prefix), String(worker.beatAt), worker.id),
  ]);
}

/** Unregisters a worker that shuts down cleanly. */
export async function removeWorker(client: RedisClient, prefix: string, id: string): Promise<void> {
  await Promise.all([
    client.del(workerKey(prefix, id), workTotalsKey(prefix, id)),
    client.zrem(workersKey(prefix), id),
  ]);
}

/** Removes register entries of workers that died without unregistering; returns how many. */
export async function forgetDeadWorkers(client: RedisClient, prefix: string, now: number): Promise<number> {
  return client.zremrangebyscore(workersKey(prefix), '-inf', String(now - 20 * HEARTBEAT_TTL_MS));
}

/** Workers with a live heartbeat, sorted by name. Unreadable records are skipped. */
export async function listWorkers(client: RedisClient, prefix: string): Promise<WorkerRecord[]> {
  const records = await readWorkers(client, prefix, await registeredWorkers(client, prefix));
  return records.filter((record) => record !== undefined).sort((a, b) => a.name.localeCompare(b.name));
}

/** Ids in the register, also of workers that have died within the last minutes. */
export function registeredWorkers(client: RedisClient, prefix: string): Promise<string[]> {
  return client.zrange(workersKey(prefix), '0', '-1');
}

/** The heartbeats of these workers; undefined for one that has none, or an unreadable one. */
export async function readWorkers(
  client: RedisClient,
  prefix: string,
  ids: readonly string[],
): Promise<(WorkerRecord | undefined)[]> {
  const records = await Promise.all(ids.map((id) => ifReadable(client.get(workerKey(prefix, id)), null)));
  return records.map((json) => {
    const record = parsedObject<WorkerRecord>(json);
    return isWorker(record) ? record : undefined;
  });
}

function isWorker(record: WorkerRecord | undefined): record is WorkerRecord {
  return (
    typeof record?.name === 'string' &&
    Array.isArray(record.queues ?? []) &&
    Array.isArray(record.models ?? [])
  );
}

/** Versions of one model whose signatures are kept, for jobs that ask for one of them. */
const VERSIONS_KEPT = 16;

/** Publishes a loaded model, so that `submit` on any host rejects invalid input before queueing it. */
export async function publishModel(
  client: RedisClient,
  prefix: string,
  signature: ModelSignature,
): Promise<void> {
  const json = JSON.stringify(signature);
  const versions = versionsKey(prefix);
  await client.hset(versions, `${signature.name}@${signature.version}`, json);
  await client.hset(modelsKey(prefix), signature.name, json);
  const others = await publishedVersions(client, prefix, signature.name);
  const old = others.filter((version) => version !== signature.version).slice(VERSIONS_KEPT - 1);
  if (old.length > 0) await client.hdel(versions, ...old.map((version) => `${signature.name}@${version}`));
}

/** The same, if no model of that name is published. */
export async function publishModelIfAbsent(
  client: RedisClient,
  prefix: string,
  signature: ModelSignature,
): Promise<void> {
  const { name, version } = signature;
  const json = JSON.stringify(signature);
  await client.hsetnx(versionsKey(prefix), `${name}@${version}`, json);
  await client.hsetnx(modelsKey(prefix), name, json);
}

/** Makes queues known to `inspect` and to lookups by id. */
export async function registerQueues(
  client: RedisClient,
  prefix: string,
  queues: readonly string[],
): Promise<void> {
  await Promise.all(queues.map((queue) => client.hsetnx(queuesKey(prefix), queue, '{}')));
}

/** Signatures of every model a worker has published, by name. */
export async function publishedModels(client: RedisClient, prefix: string): Promise<ModelSignature[]> {
  const all = await client.hvals(modelsKey(prefix));
  return all
    .map((json) => parsedObject<ModelSignature>(json))
    .filter((signature): signature is ModelSignature => typeof signature?.name === 'string')
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** One published signature; undefined when no worker ever loaded a model of that name. */
export async function publishedModel(
  client: RedisClient,
  prefix: string,
  name: string,
): Promise<ModelSignature | undefined> {
  const json = await client.hget(modelsKey(prefix), name);
  return parsedObject<ModelSignature>(json);
}

/**
 * The signature of one version of a model; undefined when no worker has loaded it, or many higher versions
 * were loaded since.
 */
export async function publishedVersion(
  client: RedisClient,
  prefix: string,
  name: string,
  version: number,
): Promise<ModelSignature | undefined> {
  const json = await client.hget(versionsKey(prefix), `${name}@${version}`);
  return parsedObject<ModelSignature>(json);
}

/** Versions of a model with a known signature, the highest first. */
export async function publishedVersions(
  client: RedisClient,
  prefix: string,
  name: string,
): Promise<number[]> {
  const fields = (await client.hkeys(versionsKey(prefix))).map(parseModel);
  return fields.flatMap(({ model, version = 0 }) => (model === name ? [version] : [])).sort((a, b) => b - a);
}
