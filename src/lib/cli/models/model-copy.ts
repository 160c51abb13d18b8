import { constants } from 'node:fs';
import { copyFile, mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ModelFiles } from '../../model/model-files.js';
import { MODEL_FILE } from '../../model/model-names.js';
import { openSource } from '../../model/onnx-source.js';

/** A file to copy. */
export interface CopiedFile {
  /** Real path. */
  from: string;
  /** Path below the directory that it is copied to. */
  to: string;
}

/** The files of a model as its repository has them: those of one version, and those that all versions share. */
export interface ModelCopy {
  version: CopiedFile[];
  shared: CopiedFile[];
  /** The model file does not look like one, so that it should be loaded before gigabytes are copied. */
  isDoubtful: boolean;
}

/**
 * What to copy of a model: the model file, its external data and the files of its export belong to the version;
 * model.json, config.pbtxt, its labels and the handler to the model.
 * @param wished path of the model file below a version directory, if the settings name one.
 * @throws InferError MODEL_LOAD when external data is missing, truncated or outside.
 */
export function copyOf(files: ModelFiles, wished: string | undefined): ModelCopy {
  const target = wished ?? MODEL_FILE;
  const home = path.posix.dirname(target);
  const exported = Object.entries(files.exported?.files ?? {});
  const source = openSource(files);
  const data = source.data.map(({ label, path: from }) => {
    const location = files.home === '' ? label : label.slice(files.home.length + 1);
    return { from, to: path.posix.join(home, location) };
  });
  const ofVersion = new Set([files.onnxPath, ...exported.map(([, from]) => from)]);
  return {
    isDoubtful: source.suspicion !== undefined,
    version: [{ from: files.onnxPath, to: target }, ...data, ...exported.map(([to, from]) => ({ from, to }))],
    shared: files.contents
      .filter(({ path: from, sha }) => sha !== '' && !ofVersion.has(from))
      .map(({ label, path: from }) => ({ from, to: label })),
  };
}

/** Copies files, and waits until they are on the disk. @throws the file system's error; the signal's reason. */
export async function copyAll(files: readonly CopiedFile[], dir: string, signal: AbortSignal): Promise<void> {
  for (const { from, to } of files) {
    signal.throwIfAborted();
    const target = path.join(dir, ...to.split('/'));
    await mkdir(path.dirname(target), { recursive: true });
    // Shares the blocks where the file system can.
    await copyFile(from, target, constants.COPYFILE_FICLONE);
    const handle = await open(target, 'r+').catch(() => undefined);
    await handle?.sync().finally(() => handle.close());
  }
}

/** Those of the files that a directory has with other content. */
export async function differing(files: readonly CopiedFile[], dir: string): Promise<CopiedFile[]> {
  const found: CopiedFile[] = [];
  for (const file of files) {
    const there = await readFile(path.join(dir, ...file.to.split('/'))).catch(() => undefined);
    if (there !== undefined && !there.equals(await readFile(file.from))) found.push(file);
  }
  return found;
}
