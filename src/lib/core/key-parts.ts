/**
 * The names of our own Redis keys: what follows the hash tag of a queue or of the installation. Each is named here
 * once, for the functions of `queue/keys.ts`, the Lua scripts, the rights of Redis users and the names that queues may
 * have. What each key holds is said in `queue/keys.ts`.
 */

/** Keys of a queue, `{prefix:queue}:<part>`, that stand alone. */
export const QUEUE_KEY = {
  filed: 'filed',
  expired: 'expired',
  cancelled: 'cancelled',
  deadlines: 'deadlines',
  damaged: 'damaged',
  damagedWhy: 'damaged:why',
  arriving: 'arriving',
  data: 'data',
} as const;

/** Keys of a queue, `{prefix:queue}:<part>:<word>`, one for each job, group, client, request or model. */
export const QUEUE_KEY_OF = {
  input: 'in',
  result: 'res',
  group: 'grp',
  reply: 'reply',
  request: 'req',
  takes: 'takes',
  byModel: 'bymodel',
  wake: 'wake',
  sweep: 'sweep',
  pace: 'pace',
  gone: 'gone',
  away: 'away',
} as const;

/** Keys of a queue, `{prefix:queue}:<part>:<number>`, one for each statistics bucket. */
export const QUEUE_BUCKET = { stats: 'stats', work: 'work' } as const;

/** Keys of the installation, `{prefix}:<part>`, that stand alone. */
export const INSTALLATION_KEY = {
  queues: 'queues',
  workers: 'workers',
  starting: 'starting',
  models: 'models',
  versions: 'versions',
  audit: 'audit',
  jobAudit: 'audit:jobs',
  autoscalers: 'autoscalers',
  data: 'data',
} as const;

/** Keys of the installation, `{prefix}:<part>:<word>`. */
export const INSTALLATION_KEY_OF = {
  worker: 'worker',
  totals: 'totals',
  request: 'req',
  lease: 'lease',
  order: 'ctl',
  orderRequest: 'ctlreq',
  orderReply: 'ctlre',
  autoscaler: 'autoscaler',
  quota: 'quota',
} as const;
