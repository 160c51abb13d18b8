import { INSTALLATION_KEY, INSTALLATION_KEY_OF } from '../core/key-parts.js';
import { KEY } from './wire.js';

/**
 * Every Redis key that TypeScript uses: one function each, with its type; scripts build theirs from `KEY`.
 * `prefix` is the deployment's name (`infer` by default). Keys of one queue share the hash tag
 * `{prefix:queue}`, so a queue is in one Cluster slot and queues are spread over the shards; keys of the whole
 * deployment share `{prefix}`.
 */

export function queueTag(prefix: string, queue: string): string {
  return `{${prefix}:${queue}}`;
}

/** The hash tag of installation-wide keys. */
export function installationTag(prefix: string): string {
  return `{${prefix}}`;
}

/** BullMQ's own keys: `<tag>:<queue>:<part>`; job hashes are `<base><id>`, locks `<base><id>:lock`. */
export function bullBase(prefix: string, queue: string): string {
  return `${queueTag(prefix, queue)}:${queue}:`;
}

/** STRING: a job's input envelope when it is too large for the job data. */
export const inputKey = (tag: string, id: string): string => `${tag}:${KEY.input}:${id}`;
/** STRING, EX result-ttl: a job's result envelope. */
export const resultKey = (tag: string, id: string): string => `${tag}:${KEY.result}:${id}`;
/** HASH: a bulk submission; its fields are `GROUP` in wire.ts. */
export const groupKey = (tag: string, id: string): string => `${tag}:${KEY.group}:${id}`;
/** LIST, EX: notices for one waiting client. */
export const replyKey = (tag: string, client: string): string => `${tag}:${KEY.reply}:${client}`;
/** HASH, EX: jobs of one ten-second bucket: c completed, f ended otherwise, r rows completed, a added, `a:<priority>` of these. */
export const statsKey = (tag: string, bucket: number): string => `${tag}:${KEY.stats}:${bucket}`;
/** HASH worker id -> JSON WorkFigures, EX: what each worker did in one ten-second bucket. */
export const workKey = (tag: string, bucket: number): string => `${tag}:${KEY.work}:${bucket}`;
/**
 * STRINGs, PX: the lock for sweeping the indexes of ended jobs and, per set, the rank at which the next sweep
 * continues.
 */
export const sweepKey = (tag: string, set?: string): string =>
  set === undefined ? `${tag}:${KEY.sweep}` : `${tag}:${KEY.sweep}:${set}`;
/**
 * HASH, EX: the jobs that a worker's last takes returned, by a small number: `<token> \0 <id> \0 <id> …`; see
 * `TAKE`.
 */
export const takesKey = (tag: string, workerId: string): string => `${tag}:${KEY.takes}:${workerId}`;
/** STRING, EX: the answer to one request, in case it is sent again. */
export const requestKey = (tag: string, token: string): string => `${tag}:${KEY.request}:${token}`;
/** HASH: what is filed by model: `m:<route>`, `p<priority>`, `c`; see `lua/route.ts`. */
export const filedKey = (tag: string): string => `${tag}:${KEY.filed}`;
/**
 * ZSET id -> its score in `prioritized`: jobs of a model (`m`, or `m@2`) that a worker without that model
 * met.
 */
export const byModelKey = (tag: string, route: string): string => `${tag}:${KEY.byModel}:${route}`;
/** ZSET: a marker like BullMQ's, for the workers that serve a route; `@<worker id>` wakes that worker. */
export const wakeKey = (tag: string, route: string): string => `${tag}:${KEY.wake}:${route}`;
/** ZSETs by end time: states that BullMQ has no set for. */
export const expiredKey = (tag: string): string => `${tag}:${KEY.expired}`;
export const cancelledKey = (tag: string): string => `${tag}:${KEY.cancelled}`;

/** ZSET id -> ms after which a job no longer starts. */
export const deadlinesKey = (tag: string): string => `${tag}:${KEY.deadlines}`;
/**
 * ZSET id -> ms at which a damaged job was set aside, and HASH id -> what is damaged; EX, 1,000 entries at most.
 */
export const damagedKey = (tag: string): string => `${tag}:${KEY.damaged}`;
export const damagedWhyKey = (tag: string): string => `${tag}:${KEY.damagedWhy}`;
/** Any type, EX: a key that a repair took out of use. */
export const putAwayKey = (tag: string, name: string): string => `${tag}:${KEY.away}:${name}`;
/** ZSET id -> ms: copies of jobs that are being moved here, not yet takeable; see lua/move.ts. */
export const arrivingKey = (tag: string): string => `${tag}:${KEY.arriving}`;

/**
 * HASH, of the installation or (on a Cluster) of a queue: identifies the data, and records what was lost; see
 * data-mark.ts.
 */
export const dataKey = (tag: string): string => `${tag}:${KEY.data}`;

/** HASH queue name -> JSON `{maxPriority?}`: every queue that ever received a job. */
export const queuesKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.queues}`;
/** ZSET worker id -> ms of its last heartbeat. */
export const workersKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.workers}`;
/** STRING, PX: a worker's heartbeat record (JSON). */
export const workerKey = (prefix: string, id: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.worker}:${id}`;
/** HASH worker id -> JSON StartingWorker: workers that are loading their models; see starting.ts. */
export const startingKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.starting}`;
/** STRING, PX: JSON of queue name -> WorkFigures: a worker's work since it started. */
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
/** STRING, PX: a request to workers (JSON); expires when its sender stops waiting. */
export const controlRequestKey = (prefix: string, id: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.orderRequest}:${id}`;
/** LIST, EX: the workers' answers to one request. */
export const controlReplyKey = (prefix: string, id: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.orderReply}:${id}`;
/** STREAM, about 10,000 entries: what operators did to queues, workers and servers; see `audit.ts`. */
export const auditKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.audit}`;
/** STREAM, the same: jobs that were cancelled or retried by id, which producers may do too. */
export const jobAuditKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.jobAudit}`;

/** ZSET autoscaler id -> ms of its last decision. */
export const autoscalersKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.autoscalers}`;
/** STRING, PX: what an autoscaler runs and has decided (JSON). */
export const autoscalerKey = (prefix: string, id: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.autoscaler}:${id}`;
/**
 * HASH, PX: a token's bucket (`rate`: `t` requests left, `at` ms since the epoch); ZSET member -> ms at which it is
 * looked at again, PX: its jobs that have not ended (`jobs`) or not started (`waiting`). See `quota.ts`.
 */
export const quotaKey = (prefix: string, kind: 'rate' | 'jobs' | 'waiting', owner: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.quota}:${kind}:${owner}`;
/** STRING: the secret that cursors of lists over HTTP are encrypted with; see `cursor-secret.ts`. */
export const cursorSecretKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.cursorKey}`;

/** STREAM, about 5,000 entries, EX: what happened to workers, queues and autoscalers; see `events/`. */
export const eventsKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.events}`;
/** HASH worker id, or `failures:<queue>` -> `+` or `-` and JSON: what the last event about it said, EX. */
export const statesKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.states}`;
/** STRING, PX: id of the worker that writes the history of the deployment. */
export const historyWriterKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.historyWriter}`;
/**
 * HASH `<minute>:<series>` -> packed figures, `<minute>@<n>` -> JSON of what was seen in its n-th ten
 * seconds, EX: the minutes that may still change; see `history/`.
 */
export const historyOpenKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.historyOpen}`;
/** ZSET series (`queue:realtime`) -> ms of its last recorded minute, EX. */
export const historySeriesKey = (prefix: string): string => `{${prefix}}:${INSTALLATION_KEY.historySeries}`;
/** STREAMS, EX: packed figures of a series, one entry a minute or hour, whose id is its beginning in ms. */
export const minutesKey = (prefix: string, series: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.minutes}:${series}`;
export const hoursKey = (prefix: string, series: string): string =>
  `{${prefix}}:${INSTALLATION_KEY_OF.hours}:${series}`;

/** Length of a statistics bucket. Six of them make up the minute over which rates are computed. */
export const STATS_BUCKET_MS = 10_000;
export const STATS_BUCKETS = 6;
