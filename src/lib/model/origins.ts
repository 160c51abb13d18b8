import { InferError } from '../core/errors.js';
import type { Batching } from './batching.js';
import { manifestError } from './manifest-error.js';
import type { ModelFiles } from './model-files.js';

/**
 * An error about a field of model.json names the file that the field was read from instead, if that is another one.
 */
export function blameOrigin(
  error: unknown,
  { name, origins }: Pick<ModelFiles, 'name' | 'origins'>,
): unknown {
  if (!(error instanceof InferError) || error.code !== 'MODEL_MANIFEST') return error;
  const start = `${name}/model.json: field `;
  if (!error.message.startsWith(start)) return error;
  const rest = error.message.slice(start.length);
  const blamed = origins
    .filter(({ field, from }) => from !== 'model.json' && isField(rest, field))
    .sort((a, b) => b.field.length - a.field.length)[0];
  if (blamed === undefined) return error;
  const { field, from } = blamed;
  const what = `${from}${rest.slice(field.length)}`;
  const [file = '', ...where] = what.split(' ');
  const top = field.split('.')[0];
  const hint = error.hint === undefined ? '' : `${error.hint}; or `;
  return manifestError(
    `${name}/${file}`,
    where.join(' '),
    `${hint}set ${top} in ${name}/model.json, which counts more`,
  );
}

/** Whether a message that begins with the path of a field is about this field, or one within. */
function isField(rest: string, field: string): boolean {
  return rest.startsWith(field) && !/^[\w]/.test(rest.slice(field.length));
}

/** The reason for one row a run, if another file than model.json declares it. */
export function declaredIn(batching: Batching, { origins }: Pick<ModelFiles, 'origins'>): Batching {
  if (batching.ok || batching.reason !== 'declared') return batching;
  const origin = origins.find(({ field, from }) => field === 'batchable' && from !== 'model.json');
  return origin === undefined ? batching : { ...batching, text: `declared by ${origin.from}` };
}
