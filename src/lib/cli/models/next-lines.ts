import { quoteWord } from '../../core/quote-word.js';
import { curlLine } from '../../serve/gateway/start-lines.js';
import { invocation } from '../invocation.js';
import type { TriedModel } from './try-model.js';

/** Longer rows are not written out. */
const MOST_CHARACTERS = 300;
/** The address of `infer up` and `infer serve` unless they are told otherwise. */
const GATEWAY = 'http://127.0.0.1:8000';

/** Commands that serve a model and send it a row. */
export interface ModelCommands {
  serve: string;
  submit: string;
  curl: string;
}

/**
 * @param modelsDir to name in them; undefined if it is the default.
 * @param file the row that was run, if it is from a file.
 */
export function commandsFor(
  { signature: { name }, input }: TriedModel,
  modelsDir: string | undefined,
  file: string | undefined,
): ModelCommands {
  const { infer } = invocation();
  const models = modelsDir === undefined ? '' : ` --models ${quoteWord(modelsDir)}`;
  const row = input === undefined ? undefined : JSON.stringify(input);
  const submit = `submit ${file === undefined ? '-' : quoteWord(file)} --model ${name}${models} --wait`;
  const body = row === undefined ? undefined : JSON.stringify({ model: name, input });
  const short = body !== undefined && body.length <= MOST_CHARACTERS;
  const source =
    short && row !== undefined
      ? `echo ${quoteWord(row)}`
      : `${infer} models check ${name}${models} --json | jq -c .input`;
  return {
    serve: `${infer} up${models}`,
    submit:
      file === undefined && row !== undefined
        ? `${source} | ${infer} ${submit}`
        : `${infer} ${submit.replace('submit - ', 'submit FILE ')}`,
    curl: curlLine({ name, served: false, body: short ? body : undefined }, GATEWAY, false),
  };
}
