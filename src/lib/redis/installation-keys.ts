import { INSTALLATION_KEY, INSTALLATION_KEY_OF, QUEUE_KEY_OF } from '../core/key-parts.js';

/** Redis types of infer's keys. */
export type KeyKind = 'list' | 'zset' | 'hash' | 'stream' | 'string';

/** The type that a key must have, and the effect of another type. */
export interface KeyFacts {
  kind: KeyKind;
  effect: string;
}

/** Keys that occur once. */
const ONCE: Record<keyof typeof INSTALLATION_KEY, KeyFacts> = {
  queues: { kind: 'hash', effect: 'queues are not listed, and no job is found by its id' },
  workers: { kind: 'zset', effect: 'workers cannot register and are not listed' },
  starting: { kind: 'hash', effect: 'workers that load their models are not shown' },
  models: { kind: 'hash', effect: 'workers cannot publish their models, and none is known' },
  versions: { kind: 'hash', effect: 'workers cannot publish their models, and no version is known' },
  audit: { kind: 'stream', effect: 'actions of operators are not recorded' },
  jobAudit: { kind: 'stream', effect: 'cancelled and retried jobs are not recorded' },
  autoscalers: { kind: 'zset', effect: 'autoscalers are not listed' },
  data: { kind: 'hash', effect: 'recorded losses of data are not shown' },
  cursorKey: { kind: 'string', effect: 'the next gateway that needs it replaces it' },
  events: { kind: 'stream', effect: 'events are not recorded or listed' },
  states: { kind: 'hash', effect: 'events of workers and failures are not recorded' },
  historyWriter: { kind: 'string', effect: 'no history is recorded' },
  historyOpen: { kind: 'hash', effect: 'no history is recorded' },
  historySeries: { kind: 'zset', effect: 'no history is recorded or listed' },
};

/** Keys of one worker, device, order, autoscaler or token. */
const EACH: Record<keyof typeof INSTALLATION_KEY_OF, KeyFacts> = {
  worker: { kind: 'string', effect: 'this worker is not listed' },
  totals: { kind: 'string', effect: 'the totals of this worker are not shown' },
  request: { kind: 'string', effect: 'one request fails' },
  lease: { kind: 'string', effect: 'no worker can take this GPU' },
  order: { kind: 'list', effect: 'no order reaches this worker' },
  orderRequest: { kind: 'string', effect: 'one order is not carried out' },
  orderReply: { kind: 'list', effect: 'answers to one order are lost' },
  autoscaler: { kind: 'string', effect: 'this autoscaler is not listed' },
  minutes: { kind: 'stream', effect: 'the minutes of this queue, model or worker are not recorded' },
  hours: { kind: 'stream', effect: 'the hours of this queue, model or worker are not recorded' },
  quota: { kind: 'zset', effect: 'the gateway accepts no work of this token' },
};

/** `{prefix}:<part>`: the hash tag of a queue contains a colon. */
const KEY = /^\{[^{}:]+\}:(.+)$/s;

/** The required type of a key of the installation; undefined for every other key. */
export function installationKey(key: string): KeyFacts | undefined {
  const part = KEY.exec(key)?.[1];
  if (part === undefined) return undefined;
  for (const [name, own] of Object.entries(INSTALLATION_KEY)) {
    if (own === part) return ONCE[name as keyof typeof ONCE];
  }
  for (const [name, own] of Object.entries(INSTALLATION_KEY_OF)) {
    if (!part.startsWith(`${own}:`)) continue;
    const facts = EACH[name as keyof typeof EACH];
    return own === INSTALLATION_KEY_OF.quota && part.startsWith(`${own}:rate:`)
      ? { ...facts, kind: 'hash' }
      : facts;
  }
  return undefined;
}

/** Keys of a deployment that occur once. */
export function onceKeys(prefix: string): string[] {
  return Object.values(INSTALLATION_KEY).map((part) => `{${prefix}}:${part}`);
}

/** The command that renames a damaged key and keeps it; infer then creates a new one. */
export function putAwayCommand(key: string): string {
  const [tag = '', part = ''] = key.split(/(?<=\}):/);
  return `redis-cli rename '${key}' '${tag}:${QUEUE_KEY_OF.away}:${part}'`;
}

const KIND_WORDS: Partial<Record<string, string>> = { zset: 'sorted set' };

/** `a sorted set`. */
export function aKind(kind: string): string {
  return `a ${KIND_WORDS[kind] ?? kind}`;
}
