import type { RedisClient } from '../../redis/types.js';
import { requestToken } from '../broker/once.js';
import { untilLoaded } from '../broker/resend.js';
import { namingDamage } from '../damage.js';
import { bullBase, queueTag } from '../keys.js';
import { type DataLayout, isNewerLua, LAYOUTS } from '../layout.js';
import { ADD } from './add.js';
import { PURGE_ENDED, PURGE_WAITING, SET_PRIORITY } from './control.js';
import { FORGET, FORGET_RECORD } from './forget.js';
import {
  CANCEL_GROUP,
  CLOSE_GROUP,
  FORGET_GROUP,
  LEAVE_GROUP,
  NOTE_CHUNKS,
  OPEN_GROUP,
  SET_GROUP_PRIORITY,
} from './group.js';
import { RECOVER, RENEW, SETTLE, SWEEP, TAKE } from './jobs.js';
import { MOVE_DROP, MOVE_FENCE, MOVE_FORGET, MOVE_IN, MOVE_OUT, MOVE_PARK } from './move.js';
import { once, SCRIPT_KEYS } from './prelude.js';
import { PUT_AWAY, REINDEX } from './repair.js';
import { REROUTE } from './reroute.js';
import { CANCEL, EXPIRE_DUE, RESTORE_INPUT, RETRY, STORE_INPUT, WATCH } from './steer.js';

const SCRIPTS = {
  inferAdd: ADD,
  inferTake: TAKE,
  inferSettle: SETTLE,
  inferRenew: RENEW,
  inferRecover: RECOVER,
  inferStoreInput: STORE_INPUT,
  inferRestoreInput: RESTORE_INPUT,
  inferCancel: CANCEL,
  inferWatch: WATCH,
  inferOpenGroup: OPEN_GROUP,
  inferNoteChunks: NOTE_CHUNKS,
  inferCloseGroup: CLOSE_GROUP,
  inferLeaveGroup: LEAVE_GROUP,
  inferForgetGroup: FORGET_GROUP,
  inferCancelGroup: CANCEL_GROUP,
  inferSetGroupPriority: SET_GROUP_PRIORITY,
  inferSweep: SWEEP,
  inferReroute: REROUTE,
  inferExpireDue: EXPIRE_DUE,
  inferRetry: once(RETRY),
  inferPurgeWaiting: once(PURGE_WAITING),
  inferPurgeEnded: once(PURGE_ENDED),
  inferSetPriority: once(SET_PRIORITY),
  inferForget: FORGET,
  inferForgetRecord: FORGET_RECORD,
  inferPutAway: PUT_AWAY,
  inferReindex: REINDEX,
  inferMovePark: MOVE_PARK,
  inferMoveOut: MOVE_OUT,
  inferMoveIn: MOVE_IN,
  inferMoveDrop: MOVE_DROP,
  inferMoveFence: MOVE_FENCE,
  inferMoveForget: MOVE_FORGET,
} as const;

export type ScriptName = keyof typeof SCRIPTS;

/** Scripts that receive a request token as their last argument and run at most once per token. */
const ONCE: ReadonlySet<ScriptName> = new Set([
  'inferRetry',
  'inferPurgeWaiting',
  'inferPurgeEnded',
  'inferSetPriority',
]);
type Argument = string | number | Uint8Array;
type Runner = (...args: Argument[]) => Promise<unknown>;

const prepared = new WeakSet<RedisClient>();

/** One queue's scripts on one connection; adds the keys and the two common arguments. */
export class QueueScripts {
  readonly tag: string;
  readonly base: string;
  private readonly keys: string[];

  constructor(
    readonly client: RedisClient,
    private readonly prefix: string,
    readonly queue: string,
    layouts: readonly DataLayout[] = LAYOUTS,
  ) {
    this.tag = queueTag(prefix, queue);
    this.base = bullBase(prefix, queue);
    this.keys = SCRIPT_KEYS.map((part) => this.base + part);
    if (!prepared.has(client)) {
      prepared.add(client);
      for (const [name, lua] of Object.entries(SCRIPTS)) {
        const fitting = lua.replace(isNewerLua(LAYOUTS), () => isNewerLua(layouts));
        client.defineCommand(name, { numberOfKeys: SCRIPT_KEYS.length, lua: fitting });
      }
    }
  }

  /** Runs a script; replies come as strings and numbers. Scripts ask Redis for the time. */
  run(name: ScriptName, ...args: Argument[]): Promise<unknown> {
    return this.send(name, ONCE.has(name) ? [...args, requestToken()] : args);
  }

  /** The same with binary replies: every bulk string is a Buffer. */
  runBuffer(name: ScriptName, ...args: Argument[]): Promise<unknown> {
    return this.send(`${name}Buffer`, args);
  }

  private send(method: string, args: Argument[]): Promise<unknown> {
    const client = this.client as unknown as Record<string, Runner>;
    const run = (client[method] as Runner).bind(client);
    const reply = untilLoaded(() => run(...this.keys, this.base, this.tag, ...args));
    return namingDamage(this.client, this.prefix, this.queue, reply);
  }
}
