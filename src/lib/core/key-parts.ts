/**
 * The names in our own Redis keys: what follows the hash tag of a queue or of the installation. Each is
 * defined here once, for the functions of `queue/keys.ts`, the Lua scripts, the rights of Redis users and the
 * allowed queue names. `queue/keys.ts` describes the content of each key.
 */

/** Keys of a queue, `{prefix:queue}:<part>`, that occur once. */
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

/** Keys of a queue, `{prefix:queue}:<part>:<word>`, one per job, group, client, request or model. */
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

/** Keys of a queue, `{prefix:queue}:<part>:<number>`, one per statistics bucket. */
export const QUEUE_BUCKET = { stats: 'stats', work: 'work' } as const;

/** Keys of the installation, `{prefix}:<part>`, that occur once. */
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
  cursorKey: 'cursorkey',
  events: 'events',
  historyWriter: 'history:writer',
  historyOpen: 'history:open',
  historySeries: 'history:series',
  states: 'states',
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
  minutes: 'minutes',
  hours: 'hours',
} as const;
