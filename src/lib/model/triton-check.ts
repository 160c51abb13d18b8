import { closestWord } from '../config/suggest.js';
import type { ModelManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import type { TensorMeta } from './probe-target.js';
import type { TritonTensor, TritonTensors } from './triton-config.js';
import { TRITON_TYPES } from './triton-types.js';

/** The tensors of a loaded ONNX file. */
interface Tensors {
  inputs: readonly TensorMeta[];
  outputs: readonly TensorMeta[];
  /** Outputs that are not tensors. */
  skipped: readonly string[];
}

/**
 * Compares a config.pbtxt with the ONNX file next to it: names, types and shapes, as Triton does.
 * @returns notes on outputs that it leaves out.
 * @throws InferError MODEL_MANIFEST with file, line, field and fix.
 */
export function checkTriton(triton: TritonTensors, model: Tensors, manifest: ModelManifest): string[] {
  const { inputs, outputs } = triton;
  if (inputs !== undefined) {
    for (const one of inputs) checkTensor(one, 'input', model.inputs, triton);
    const missing = model.inputs.find(
      ({ name }) =>
        !inputs.some((one) => one.name === name) && manifest.inputs?.[name]?.default === undefined,
    );
    if (missing !== undefined) {
      throw manifestError(
        triton.label,
        `line ${inputs.at(-1)?.lines.name}: field input: the model's input '${missing.name}' is missing`,
        `add { name: "${missing.name}" data_type: ${TRITON_TYPES[missing.type]} dims: [ ${dimsOf(missing, triton)} ] }`,
      );
    }
  }
  if (outputs === undefined) return [];
  const known = outputs.filter(({ name }) => !model.skipped.includes(name));
  for (const one of known) checkTensor(one, 'output', model.outputs, triton);
  return model.outputs
    .filter(({ name }) => !outputs.some((one) => one.name === name))
    .map(({ name }) => `config.pbtxt does not list output ${name}: it is served too`);
}

function checkTensor(
  declared: TritonTensor,
  section: 'input' | 'output',
  tensors: readonly TensorMeta[],
  triton: TritonTensors,
): void {
  const { name, type, lines } = declared;
  const fault = (line: number, what: string, fix: string) =>
    manifestError(triton.label, `line ${line}: ${what}`, fix);
  const found = tensors.find((one) => one.name === name);
  if (found === undefined) {
    const names = tensors.map((one) => one.name);
    const near = closestWord(name, names);
    const did = near === undefined ? '' : `did you mean '${near}'? `;
    throw fault(
      lines.name,
      `field ${section}.name: the model has no ${section} '${name}'`,
      `${did}its ${section}s are ${names.join(', ')}`,
    );
  }
  if (found.type !== type) {
    throw fault(
      lines.type,
      `field ${section}.data_type of '${name}' is ${TRITON_TYPES[type]}, and the model has ${found.type}`,
      `data_type: ${TRITON_TYPES[found.type]}`,
    );
  }
  // A file may declare no shape, which ONNX Runtime shows as that of a scalar.
  if (found.shape.length === 0) return;
  const { maxBatch } = triton;
  if (declared.batch === 1 && typeof found.shape[0] === 'number' && maxBatch !== undefined) {
    throw fault(
      maxBatch.line,
      `field max_batch_size is ${maxBatch.value}, but the first size of ${section} '${name}' is fixed in the model's shape [${found.shape.join(',')}]`,
      'max_batch_size: 0, and the whole shape in dims; or export the model with an open batch size',
    );
  }
  const fits =
    found.shape.length === declared.shape.length &&
    found.shape.every((size, axis) => typeof size === 'string' || size === declared.shape[axis]);
  if (fits) return;
  const shown = declared.shape.slice(declared.batch).map((size) => size ?? -1);
  throw fault(
    lines.shape,
    `field ${section}.dims of '${name}' is [ ${shown.join(', ')} ]${declared.batch === 1 ? ' after the batch' : ''}, and the model's shape is [${found.shape.map((size) => size || '?').join(',')}]`,
    `dims: [ ${dimsOf(found, triton)} ]`,
  );
}

/** A tensor's dims as they belong in the file. */
function dimsOf({ shape }: TensorMeta, { maxBatch }: TritonTensors): string {
  const own = maxBatch === undefined ? shape : shape.slice(1);
  return own.map((size) => (typeof size === 'number' ? size : -1)).join(', ');
}
