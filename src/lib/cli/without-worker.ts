import type { InferClient } from '../client/client.js';

/** Where work was sent, and what for. */
export interface Placed {
  queue: string;
  model: string;
}

/** Why submitted work does not start now, and the command that helps; undefined when a live worker serves its queue and model. */
export async function withoutWorker(
  client: InferClient,
  { queue, model }: Placed,
): Promise<string | undefined> {
  if (await client.hasWorker(queue, { model })) return undefined;
  if (!(await client.hasWorker(queue)))
    return `no worker serves queue ${queue} now; the job waits. Start one: infer worker -Q ${queue}`;
  return `no worker of queue ${queue} serves model ${model} now; the job waits for one. Start one: infer worker -Q ${queue} --model ${model}`;
}
