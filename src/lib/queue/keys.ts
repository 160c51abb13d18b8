import { INSTALLATION_KEY, INSTALLATION_KEY_OF } from '../core/key-parts.js';
import { KEY } from './wire.js';

/**
 * Every Redis key infer owns or reads, one function each, its type beside it. `prefix` is the
 * deployment's name (`infer` by default). Keys of one queue share the hash tag `{prefix:queue}`, so
 * a queue lives in one Cluster slot and queues spread over shards; keys of the deployment as a
 * whole share `{prefix}`.
 */

export function queueTag(prefix: string, queue: string): string {
  return `{${prefix}:${queue}}`;
}

/** The hash tag of keys of the installation as a whole. */
export function installationTag(prefix: string): string {
  return `{${prefix}}`;
}

/** BullMQ's own keys: `<tag>:<queue>:<part>`; job hashes are `<base><id>`, locks `<base><id>:lock`. */
export function bullBase(prefix: string, queue: string): string {
  return `${queueTag(prefix, queue)}:${queue}:`;
}

/** STRING: a job's input envelope when too large to ride in job data. */
export const inputKey = (tag: string, id: string): string => `${tag}:${KEY.input}:${id}`;
/** STRING, EX result-ttl: a job's result envelope. */
export const resultKey = (tag: string, id: string): string => `${tag}:${KEY.result}:${id}`;
/** HASH: a bulk submission: model, rows, jobs, closed, rd (rows done), jc, jf (jobs completed, failed). */
export const groupKey = (tag: string, id: string): string => `${tag}:${KEY.group}:${id}`;
/** LIST, EX: notices for one waiting client. */
export const replyKey = (tag: string, client: string): string => `${tag}:${KEY.reply}:${client}`;
/** HASH, EX: jobs of one ten-second bucket: c completed, f ended otherwise, r rows completed, a added, `a:<priority>` of these. */
export const statsKey = (tag: string, bucket: number): string => `${tag}:${KEY.stats}:${bucket}`;
/** HASH worker id -> JSON WorkFigures, EX: what each worker did in one ten-second bucket. */
export const workKey = (tag: string, bucket: number): string => `${tag}:${KEY.work}:${bucket}`;
/** STRINGs, PX: a worker sweeps the indexes of ended jobs; and by set, the rank where the next sweep goes on. */
export const sweepKey = (tag: string, set?: string): string =>
  set === undefined ? `${tag}:${KEY.sweep}` : `${tag}:${KEY.sweep}:${set}`;
/** HASH, EX: what a worker's last takes brought, by a small number: `<token> \0 <id> \0 <id> …`; see `TAKE`. */
export const takesKey = (tag: string, workerId: string): string => `${tag}:${KEY.takes}:${workerId}`;
/** STRING, EX: the answer to one request, for when it is sent again. */
export const requestKey = (tag: string, token: string): string => `${tag}:${KEY.request}:${token}`;
/** HASH: what is filed by model: `m:<route>`, `p<priority>`, `c`; see `lua/route.ts`. */
export const filedKey = (tag: string): string => `${tag}:${KEY.filed}`;
/** ZSET id -> its score in `prioritized`: jobs of a model (`m`, or `m@2`) that were met by a worker without it. */
export const byModelKey = (tag: string, route: string): string => `${tag}:${KEY.byModel}:${route}`;
/** ZSET: a marker like BullMQ's, for the workers that serve a route; `@<worker id>` wakes that worker. */
export const wakeKey = (tag: string, route: string): string => `${tag}:${KEY.wake}:${route}`;
/** ZSETs by end time: states BullMQ has no set for. */
export const expiredKey = (tag: string): string => `${tag}:${KEY.expired}`;
export const cancelledKey = (tag: string): string => `${tag}:${KEY.cancelled}`;

/** ZSET id -> ms after which a job does not start any more. */
export const deadlinesKey = (tag: string): string => `${tag}:${KEY.deadlines}`;
/** ZSET id -> ms at which a damaged job was set aside, and HASH id -> what is damaged; EX, 1,000 at most. */
export const damagedKey = (tag: string): string => `${tag}:${KEY.damaged}`;
export const damagedWhyKey = (tag: string): string => `${tag}:${KEY.damagedWhy}`;
/** Any type, EX: a key that was taken out of use by a repair. */
export const putAwayKey = (tag: string, name: string): string => `${tag}:${KEY.away}:${name}`;
/** ZSET id -> ms: copies of jobs that are being moved here, not yet to be taken; see lua/move.ts. */
export const arrivingKey = (tag: string): string => `${tag}:${KEY.arriving}`;
/** STRING, EX: the queue a job was moved to, until it has arrived there. */
export const goneKey = (tag: string, id: string): string => `${tag}:${KEY.gone}:${id}`;

/** HASH, of the installation or (on a Cluster) of a queue: which data this is, and what was lost; see data-mark.ts. */
export const dataKey = (tag: string): string => `${tag}:${KEY.data}`;

/** HASH queue name -> JSON `{maxPriority?}`: every queue that ever got a job. */
export const queuesKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.queues}`;
/** ZSET worker id -> ms of its last heartbeat. */
export const workersKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.workers}`;
/** STRING, PX: a worker's heartbeat record (JSON). */
export const workerKey = (prefix: string, id: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.worker}:${id}`;
/** HASH worker id -> JSON StartingWorker: those that load their models; see starting.ts. */
export const startingKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.starting}`;
/** STRING, PX: JSON of queue name -> WorkFigures: what a worker did since it started. */
export const workTotalsKey = (prefix: string, id: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.totals}:${id}`;
/** HASH model name -> JSON signature, as the last worker to load it published it. */
export const modelsKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.models}`;
/** HASH `model@version` -> JSON signature: the highest versions of each model that workers have loaded. */
export const versionsKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.versions}`;
/** STRING, PX: who holds a GPU (JSON); `device` is its UUID, or host and index where that is not known. */
export const leaseKey = (prefix: string, device: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.lease}:${device}`;
/** LIST, EX: ids of requests to one worker. */
export const controlKey = (prefix: string, worker: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.order}:${worker}`;
/** STRING, PX: a request to workers (JSON); gone when its sender has given up. */
export const controlRequestKey = (prefix: string, id: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.orderRequest}:${id}`;
/** LIST, EX: the workers' answers to one request. */
export const controlReplyKey = (prefix: string, id: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.orderReply}:${id}`;
/** STREAM, about the last 10,000 entries: what operators did to queues, workers and servers, see `audit.ts`. */
export const auditKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.audit}`;
/** STREAM, the same: jobs that were cancelled or retried by id, which producers may do too. */
export const jobAuditKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.jobAudit}`;

/** ZSET autoscaler id -> ms of its last decision. */
export const autoscalersKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.autoscalers}`;
/** STRING, PX: what an autoscaler has and decides (JSON). */
export const autoscalerKey = (prefix: string, id: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.autoscaler}:${id}`;
/**
 * HASH, PX: a token's bucket (`rate`: `t` requests left, `at` ms since the epoch); ZSET member -> ms at which it is
 * looked at again, PX: its jobs that have not ended (`jobs`) or not started (`waiting`). See `quota.ts`.
 */
export const quotaKey = (prefix: string, kind: 'rate' | 'jobs' | 'waiting', owner: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.quota}:${kind}:${owner}`;

/** Length of a statistics bucket. Six make the minute that rates are taken over. */
export const STATS_BUCKET_MS = 10_000;
export const STATS_BUCKETS = 6;
