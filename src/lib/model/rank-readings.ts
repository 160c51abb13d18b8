import type { ModelManifest } from './manifest.js';
import type { ProbeTarget, TensorMeta } from './probe-target.js';

/** One way to read a model. */
export interface Reading {
  target: ProbeTarget;
  manifest: ModelManifest;
}

/** Name of the row axis if the file names no dimension at all. */
const BATCH = 'batch';

/**
 * An ONNX file may declare no rank for an input (ONNX Runtime then shows it as a scalar). `shape` in
 * model.json gives the row's shape, and the batch axis is at `batchAxis`, else in front or absent: the
 * likelier first. If nothing is missing there is one reading, the model unchanged.
 */
export function rankReadings(target: ProbeTarget, manifest: ModelManifest): Reading[] {
  const rowShapeOf = ({ name, shape }: TensorMeta) =>
    shape.length === 0 ? manifest.inputs?.[name]?.shape?.map((dim) => dim ?? '') : undefined;
  if (target.inputs.every((input) => (rowShapeOf(input)?.length ?? 0) === 0)) return [{ target, manifest }];
  const inputs = { ...manifest.inputs };
  for (const input of target.inputs) {
    const { shape: _, ...rest } = inputs[input.name] ?? {};
    if (rowShapeOf(input) !== undefined) inputs[input.name] = rest;
  }
  const reading = (batched: boolean): Reading => ({
    manifest: { ...manifest, inputs },
    target: {
      ...target,
      run: (feeds, quiet) => target.run(feeds, quiet),
      inputs: target.inputs.map((input) => {
        const row = rowShapeOf(input);
        if (row === undefined || row.length === 0) return input;
        const { batchAxis = batched ? 0 : null } = inputs[input.name] ?? {};
        if (batchAxis === null) return { ...input, shape: row };
        return { ...input, shape: [...row.slice(0, batchAxis), BATCH, ...row.slice(batchAxis)] };
      }),
    },
  });
  return manifest.batchable === false ? [reading(false)] : [reading(true), reading(false)];
}
