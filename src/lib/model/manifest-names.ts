import { closestWord } from '../config/suggest.js';
import type { ModelManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import type { TensorMeta } from './probe-target.js';
import { takesImages } from './raw-inputs.js';
import { classifies } from './signature.js';

/** The tensors of a model, and its outputs that are not tensors. */
interface Tensors {
  inputs: readonly Pick<TensorMeta, 'name'>[];
  outputs: readonly Pick<TensorMeta, 'name'>[];
  skipped: readonly string[];
}

/**
 * Checks every name in a model.json against the model's own.
 * @param given fields of model.json: others were read elsewhere, and warn of nothing.
 * @returns warnings about fields that have no effect.
 * @throws InferError MODEL_MANIFEST for a name that the model does not have, with a suggestion.
 */
export function checkNames(
  manifest: ModelManifest,
  model: Tensors,
  label: string,
  given: ReadonlySet<string> = new Set(Object.keys(manifest)),
): string[] {
  const inputs = model.inputs.map(({ name }) => name);
  const outputs = model.outputs.map(({ name }) => name);
  for (const name of Object.keys(manifest.inputs ?? {}))
    check(`inputs.${name}`, name, 'input', inputs, label);
  for (const name of Object.keys(manifest.outputs ?? {})) {
    if (!model.skipped.includes(name)) check(`outputs.${name}`, name, 'output', outputs, label);
  }
  if (manifest.output !== undefined) check('output', manifest.output, 'output', outputs, label);
  const embeds = manifest.task === 'embedding';
  // Labels also name the scores of topK.
  const idle = (embeds ? (['labels', 'scores'] as const) : (['output', 'scores'] as const)).filter(
    (field) => manifest[field] !== undefined && given.has(field),
  );
  const warnings: string[] = [];
  if (manifest.handlerWrites !== undefined && manifest.handler === undefined)
    warnings.push('model.json: handlerWrites has no effect without "handler"');
  if (manifest.preprocess !== undefined && given.has('preprocess') && !takesImages(manifest))
    warnings.push(
      'model.json: preprocess has no effect without a "task" that takes images, such as "image-classification"',
    );
  const ofEmbeddings = (['pooling', 'normalize'] as const).filter(
    (field) => manifest[field] !== undefined && given.has(field),
  );
  if (!embeds && ofEmbeddings.length > 0)
    warnings.push(`model.json: ${ofEmbeddings.join(', ')} has no effect without "task": "embedding"`);
  if (manifest.tokenizer && given.has('tokenizer') && !embeds && manifest.task !== 'text-classification')
    warnings.push(
      'model.json: tokenizer has no effect without a "task" that takes texts, such as "text-classification"',
    );
  if (classifies(manifest) || idle.length === 0) return warnings;
  return [
    ...warnings,
    `model.json: ${idle.join(', ')} ${idle.length === 1 ? 'has' : 'have'} no effect without "task": "classification"`,
  ];
}

function check(
  field: string,
  name: string,
  kind: 'input' | 'output',
  names: readonly string[],
  label: string,
): void {
  if (names.includes(name)) return;
  const near = closestWord(name, names);
  throw manifestError(
    label,
    `field ${field}: the model has no ${kind} '${name}'`,
    `${near === undefined ? '' : `did you mean '${near}'? `}its ${kind}s are ${names.join(', ')}`,
  );
}
