import type { InferClient } from '../../client/client.js';
import type { LoadedSettings } from '../../config/load.js';
import { answerWithin } from '../../core/bounded.js';
import { quoteWord } from '../../core/quote-word.js';
import { listWorkers } from '../../queue/registry.js';
import { isServing } from '../../queue/serving.js';
import { exampleInput } from './example-input.js';

/** A model with an example input. */
export interface ShownModel {
  name: string;
  /** Whether a worker serves it now. */
  served: boolean;
  /** JSON for `POST /v1/jobs`; undefined if it is long: then `GET /examples/<model>` returns it. */
  body: string | undefined;
}

/** What is needed to find models and their examples; a gateway has it. */
export interface ModelSource {
  client: Pick<InferClient, 'redis' | 'signatures'>;
  prefix: string;
  loaded: LoadedSettings;
}

/**
 * A command for a shell that runs one row of a model.
 * @param url of the gateway; of an https one, the certificate is not verified
 */
export function curlLine({ name, body }: ShownModel, url: string, tokens: boolean): string {
  const curl = url.startsWith('https:') ? 'curl -k' : 'curl';
  const token = tokens ? ' -H "Authorization: Bearer $TOKEN"' : '';
  const post = `${curl} ${url}/v1/jobs${token} -H 'Content-Type: application/json' -H 'Prefer: wait=30' -d`;
  if (body !== undefined) return `${post} ${quoteWord(body)}`;
  return `${curl} -s${token} ${url}/examples/${encodeURIComponent(name)} | ${post} @-`;
}

const MOST_MODELS = 8;
/** Longer lines are not shown. */
const MOST_CHARACTERS = 300;
/** A network disk that hangs must not delay the start. */
const LOOK_MS = 5000;

/**
 * Models to show examples of: those that workers serve, otherwise those in the models directory. Never
 * throws.
 */
export async function modelsToShow(source: ModelSource): Promise<ShownModel[]> {
  return answerWithin(LOOK_MS, find(source), () => []).catch(() => []);
}

async function find({ client, prefix, loaded }: ModelSource): Promise<ShownModel[]> {
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
          // Shown examples work: the input is read as in a request.
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
