import path from 'node:path';
import { MANIFEST_FILE, TRITON_FILE } from './model-names.js';
import { type Steps, textOf } from './steps.js';
import { readTriton, type TritonMessage } from './triton-fields.js';

/**
 * Whether a file of these names is one that the model's settings name as its model file. Settings that cannot
 * be read name none: `findModel` says what is wrong with them.
 * @param names what is in the model's directory.
 * @param below what is in the directory that the file is named from.
 */
export function* isNamedOtherwise(
  modelDir: string,
  names: ReadonlySet<string>,
  below: ReadonlySet<string>,
): Steps<boolean> {
  if (![...below].some((name) => name.endsWith('.onnx') || name === 'onnx')) return false;
  const wished = [yield* fileInManifest(modelDir, names), yield* fileInTriton(modelDir, names)];
  return wished.some((file) => file !== undefined && below.has(file.split('/')[0] as string));
}

function* fileInManifest(modelDir: string, names: ReadonlySet<string>): Steps<string | undefined> {
  if (!names.has(MANIFEST_FILE)) return undefined;
  try {
    const { file } = JSON.parse(yield* textOf(path.join(modelDir, MANIFEST_FILE))) as { file?: unknown };
    return typeof file === 'string' ? file.replace(/^\.\//, '') : undefined;
  } catch {
    return undefined;
  }
}

function* fileInTriton(modelDir: string, names: ReadonlySet<string>): Steps<string | undefined> {
  return (yield* tritonOf(modelDir, names))?.text('default_model_filename')?.value;
}

function* tritonOf(modelDir: string, names: ReadonlySet<string>): Steps<TritonMessage | undefined> {
  if (!names.has(TRITON_FILE)) return undefined;
  try {
    return readTriton(yield* textOf(path.join(modelDir, TRITON_FILE)));
  } catch {
    return undefined;
  }
}

/**
 * The versions that may be served: all, unless Triton's `version_policy` names some.
 * @param versions those on disk, lowest first.
 */
export function* versionsServed(
  modelDir: string,
  names: ReadonlySet<string>,
  versions: number[],
): Steps<number[]> {
  const policy = (yield* tritonOf(modelDir, names))?.message('version_policy');
  const specific = policy?.message('specific')?.wholes('versions');
  if (specific !== undefined) return versions.filter((one) => specific.some(({ value }) => value === one));
  return versions;
}
