import type { InferClient } from '../client/client.js';
import type { ModelSignature } from '../model/signature.js';
import { routeTo } from '../queue/routes.js';

/** Why submitted work does not start now, and the command that helps; undefined when a live worker serves its queue and model. */
export async function withoutWorker(
  client: InferClient,
  queue: string,
  signature: ModelSignature,
): Promise<string | undefined> {
  const model = routeTo(signature);
  if (await client.hasWorker(queue, { model })) return undefined;
  if (!(await client.hasWorker(queue)))
    return `no worker serves queue ${queue} now; the job waits. Start one: infer worker -Q ${queue}`;
  const start =
    signature.pinned === true
      ? `Load it: infer control load WORKER ${model}`
      : `Start one: infer worker -Q ${queue} --model ${model}`;
  return `no worker of queue ${queue} serves model ${model} now; the job waits for one. ${start}`;
}
