/**
 * A client process: `node load-main.js '<LoadPlan as JSON>'`, with a channel to its parent. Answers each 'report' with
 * a LoadReport, and 'stop' with its last one when everything it began has ended.
 */
import { pathToFileURL } from 'node:url';
import { random } from '../chaos/random.js';
import { Load } from './load.js';

export interface LoadPlan {
  name: string;
  seed: number;
  /** Jobs a second. */
  rate: number;
  redis: string;
  /** Seconds that results are kept. */
  resultTtl: number;
  library: string;
}

const plan = JSON.parse(process.argv[2] as string) as LoadPlan;
const { InferClient } = (await import(
  pathToFileURL(plan.library).href
)) as typeof import('../../src/lib/index.js');

// A killed harness sends nothing more, but its channel closes.
process.on('disconnect', () => process.exit(1));

const { redis, resultTtl } = plan;
const infer = await InferClient.connect({ redis, resultTtl });
const load = new Load(infer, plan.name, plan.rate, random(plan.seed));
load.start();

process.on('message', (message) => {
  if (message === 'report') process.send?.(load.report());
  else void stop();
});

async function stop(): Promise<void> {
  await load.stop();
  await infer.close();
  process.send?.(load.report(), () => process.exit(0));
}
