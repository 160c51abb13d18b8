import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

/** Libraries that are next to the binding only if they were installed; without them a session throws. */
export const PROVIDER_LIBRARIES: Readonly<Record<string, string>> = {
  cuda: 'libonnxruntime_providers_cuda.so',
  tensorrt: 'libonnxruntime_providers_tensorrt.so',
};

/** What installs the CUDA provider; npm omits it unless told otherwise. */
export const CUDA_INSTALL =
  'ONNXRUNTIME_NODE_INSTALL=true node node_modules/onnxruntime-node/script/install.js';

/** Where onnxruntime-node is installed and keeps its native libraries. Loads nothing. */
export interface OnnxFiles {
  version: string;
  /** Directory of the binding and the provider libraries for this platform. */
  libraryDir: string;
}

/** @throws Error when onnxruntime-node is not installed. */
export function onnxFiles(): OnnxFiles {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
  const root = path.join(path.dirname(entry), '..');
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  return { version, libraryDir: path.join(root, 'bin', 'napi-v6', process.platform, process.arch) };
}

/** The library that a provider lacks here; undefined when it needs none or has it. */
export function missingLibrary(provider: string): string | undefined {
  const library = PROVIDER_LIBRARIES[provider];
  if (library === undefined || existsSync(path.join(onnxFiles().libraryDir, library))) return undefined;
  return library;
}
