import { answerWithin } from '../../core/bounded.js';
import { listWorkers } from '../../queue/registry.js';
import { isServing } from '../../queue/serving.js';
import { exampleInput } from './example-input.js';
import type { Gateway } from './gateway.js';

/** A model with an input that it takes. */
export interface ShownModel {
  name: string;
  /** Whether a worker serves it now. */
  served: boolean;
  /** JSON for `POST /v1/jobs`; undefined where it is long, and `GET /examples/<model>` answers it. */
  body: string | undefined;
}

const MOST_MODELS = 8;
/** A longer line is no example. */
const MOST_CHARACTERS = 300;
/** What starts a server may not hang on a network disk with models. */
const LOOK_MS = 5000;

/** Models to show examples of: those that workers serve, else those of the models directory. Never throws. */
export async function modelsToShow(gateway: Gateway): Promise<ShownModel[]> {
  return answerWithin(LOOK_MS, find(gateway), () => []).catch(() => []);
}

async function find({ client, prefix, loaded }: Gateway): Promise<ShownModel[]> {
  const workers = await listWorkers(client.redis, prefix);
  const served = new Set(workers.filter(isServing).flatMap(({ models }) => models.map(({ name }) => name)));
  const { modelNames } = await import('../../model/survey.js');
  const names = served.size > 0 ? [...served] : modelNames(loaded.values.modelsDir);
  const shown = await Promise.all(
    names
      .sort()
      .slice(0, MOST_MODELS)
      .map(async (name): Promise<ShownModel[]> => {
        try {
          const input = exampleInput(await client.signatures.find(name));
          if (input === undefined) return [];
          // What is shown works: the input is read as a request would be.
          await client.signatures.fit(input, name);
          const body = JSON.stringify({ model: name, input });
          return [{ name, served: served.has(name), body: body.length > MOST_CHARACTERS ? undefined : body }];
        } catch {
          return [];
        }
      }),
  );
  return shown.flat();
}
