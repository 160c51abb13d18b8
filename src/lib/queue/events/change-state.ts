import type { RedisClient } from '../../redis/types.js';
import { ifReadable, parsedObject } from '../../redis/wrong-type.js';
import { eventsKey, statesKey } from '../keys.js';
import { CHANGE_STATE } from '../lua/history.js';
import { EVENTS_MAX, EVENTS_TTL, eventFields, type NewEvent } from './write-event.js';

/** What the last event about a thing said: it is there (a worker, failures), or no longer. */
export interface KnownState {
  on: boolean;
  /** Facts about it, as they were kept. */
  facts: Record<string, unknown>;
}

/** Things by name: worker ids, `failures:<queue>`. */
export type States = ReadonlyMap<string, KnownState>;

/** All states; read-only. */
export async function readStates(client: RedisClient, prefix: string): Promise<States> {
  const hash = await ifReadable(client.hgetall(statesKey(prefix)), {});
  const states = Object.entries(hash).map(([thing, text]): [string, KnownState] => [
    thing,
    { on: text.startsWith('+'), facts: parsedObject<Record<string, unknown>>(text.slice(1)) ?? {} },
  ]);
  return new Map(states);
}

/** A change of state and what is said of it. */
export interface StateChange {
  thing: string;
  on: boolean;
  facts: Record<string, unknown>;
  /** Where the thing is new, and where it was known; the same event unless given. */
  event: NewEvent;
  known?: NewEvent;
  /** Key that must exist for `on`, and must not for `off`. */
  heartbeat?: string;
}

/**
 * Changes a state and writes its event in one step, unless it is in that state already: several may report
 * the same change, any number of times, and it is one event.
 */
export async function changeState(
  client: RedisClient,
  prefix: string,
  change: StateChange,
): Promise<boolean> {
  const { thing, on, facts, event, known = event, heartbeat } = change;
  const keys = [statesKey(prefix), eventsKey(prefix), ...(heartbeat === undefined ? [] : [heartbeat])];
  const fields = eventFields(event);
  const limits = [EVENTS_TTL, EVENTS_MAX, EVENTS_TTL, fields.length];
  const [sign, kept] = [on ? '+' : '-', JSON.stringify(facts)];
  const words = [...fields, ...eventFields(known)];
  const changing = client.eval(CHANGE_STATE, keys.length, ...keys, thing, sign, kept, ...limits, ...words);
  // A damaged key costs events, and not the history that is written after them.
  return (await ifReadable(changing, 0)) === 1;
}
