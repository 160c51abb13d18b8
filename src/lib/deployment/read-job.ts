import type { LoadedSettings } from '../config/load.js';
import { BrokerResults, type ResultSource, ResultStore } from '../queue/broker/result-store.js';
import { unknownId } from '../queue/broker/unknown-id.js';
import { type JobDetail, readInput, readJobDetail } from '../queue/read/job-detail.js';
import { closeClient, connect, resolveTarget } from '../redis/connect.js';
import { resultSettings } from '../redis/from-settings.js';
import type { RedisClient } from '../redis/types.js';
import { withRedis } from '../redis/with-redis.js';
import { findId } from './find-id.js';
import { previewOf, type TensorPreview } from './payload-preview.js';
import type { JobPlace } from './place/job-place.js';
import { PlaceReader } from './place/place-reader.js';

/** A job, and of one that has not started where it stands. */
export type PlacedJob = JobDetail & Partial<JobPlace>;

interface InspectedJob {
  job: PlacedJob;
  /** The input, if requested; null when it is no longer kept. */
  payload?: TensorPreview[] | null;
}

/**
 * @param values how many values to show of each input tensor; undefined = none, the input is not even read.
 */
export function readInspectedJob(
  loaded: LoadedSettings,
  id: string,
  values: number | undefined,
): Promise<InspectedJob> {
  return withRedis(loaded, async (client, prefix) => {
    const job = await withResults(loaded, client, prefix, (results) =>
      readPlacedJob(client, prefix, id, results),
    );
    if (values === undefined) return { job };
    const input = await readInput(client, prefix, job.queue, id);
    return { job, payload: input === undefined ? null : previewOf(input, values) };
  });
}

/** One job and where it stands, without its payload. @throws InferError JOB_UNKNOWN, JOB_LOST (66). */
export async function readPlacedJob(
  client: RedisClient,
  prefix: string,
  id: string,
  results: ResultSource,
): Promise<PlacedJob> {
  const queue = await findId(client, prefix, id, 'job');
  const detail = await readJobDetail(client, prefix, queue, id, results);
  if (detail === undefined) throw unknownId(id, 'job');
  const waits = detail.state === 'waiting' || detail.state === 'delayed';
  const read = waits ? await new PlaceReader(client, prefix).read(queue, id) : undefined;
  return read ? { ...detail, ...read.place } : detail;
}

async function withResults<T>(
  loaded: LoadedSettings,
  client: RedisClient,
  prefix: string,
  work: (results: ResultSource) => Promise<T>,
): Promise<T> {
  const settings = resultSettings(loaded);
  if (settings === undefined) return work(new BrokerResults(client, prefix));
  const apart = await connect(await resolveTarget(settings), 'command', settings);
  try {
    return await work(new ResultStore(apart, prefix));
  } finally {
    await closeClient(apart);
  }
}
