/**
 * A client process: `node client-main.js '<ClientPlan as JSON>'`. Works until SIGTERM, then makes sure that every
 * submit it began has a known outcome, and exits.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { InferClient } from '../../src/lib/index.js';
import { ClientLoop, type ClientPlan } from './client-loop.js';
import { HistoryWriter, readHistories } from './history.js';
import { random } from './random.js';
import { unanswered } from './submissions.js';

const plan = JSON.parse(process.argv[2] as string) as ClientPlan;
const { InferClient: Client } = (await import(
  pathToFileURL(plan.library).href
)) as typeof import('../../src/lib/index.js');

const stopping = new AbortController();
process.on('SIGTERM', () => stopping.abort());
// A killed harness cannot send SIGTERM, but its pipe closes.
process.stdin.on('end', () => process.exit(1)).resume();

async function open(): Promise<InferClient> {
  for (;;) {
    try {
      return await Client.connect({ redis: plan.redis });
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      await delay(200);
    }
  }
}

const client = await open();
const begun = plan.starts === 0 ? [] : unanswered(readHistories([plan.history]));
const history = new HistoryWriter(plan.history, plan.name, plan.skewMs);
const loops = Array.from(
  { length: plan.loops },
  (_, i) =>
    new ClientLoop(
      client,
      history,
      plan,
      i,
      random(plan.seed * 31 + i + 7919 * plan.starts),
      stopping.signal,
    ),
);
const [first] = loops;
await Promise.all([
  ...loops.map((loop) => loop.run()),
  ...begun.map((event) => (first as ClientLoop).resume(event)),
]);
history.close();
await client.close();
process.exit(0);
