import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { closestWord } from '../config/suggest.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { quoteWord } from '../core/quote-word.js';
import { formatBytes } from '../core/units.js';
import { mistakenFor } from './file-kind.js';
import type { ContentFile } from './fingerprint.js';
import type { ModelFiles } from './model-files.js';
import { type ExternalData, type OnnxSummary, summarize } from './onnx-proto.js';
import { rewriteModel } from './onnx-rewrite.js';
import { FileSource, ProtobufError } from './protobuf.js';
import { refuseSpecial, unreadable } from './unreadable.js';

/** What ONNX Runtime is given for a model. */
export interface OnnxSource {
  /** Its name in messages. */
  label: string;
  /** Real path of model.onnx. */
  path: string;
  /** Replaces the path: its changed bytes, and the folder that its external data is relative to. */
  rewritten?: { bytes: Buffer; folder: string };
  /** Files of external data, by their names in the model. ONNX Runtime maps them into memory. */
  data: ContentFile[];
  /** Labels of columns by output, where a ZipMap was removed. */
  unzipped: ReadonlyMap<string, readonly string[]>;
  /** Kinds of outputs that are not tensors. */
  otherOutputs: ReadonlyMap<string, string>;
  /** Why it is probably not a model, in case ONNX Runtime rejects it. */
  suspicion?: { reason: string; fix: string };
}

const COPY_AGAIN = 'copy or download it again, and compare its size or checksum with the original';

/**
 * Inspects a model file. ONNX Runtime rejects external data if a link leads out of the directory of
 * model.onnx, as links into Hugging Face's cache do: then the locations in the model's bytes are changed to
 * the real places of the files. Nothing is copied. ZipMaps that produce an output are replaced by their input
 * tensor.
 * @throws InferError MODEL_LOAD when external data is missing, truncated or outside, MODEL_UNREADABLE.
 */
export function openSource(files: ModelFiles): OnnxSource {
  const { label, onnxPath } = files;
  const source: OnnxSource = {
    label,
    path: onnxPath,
    data: [],
    unzipped: new Map(),
    otherOutputs: new Map(),
  };
  const summary = lookInto(onnxPath, source);
  if (summary === undefined) return source;
  source.otherOutputs = summary.otherOutputs;
  const places = new Map(summary.external.map((data) => [data.location, placeOf(files, data)]));
  source.data = [...places].map(([location, real]) => ({
    label: files.home === '' ? location : `${files.home}/${location}`,
    path: real,
  }));
  const home = path.dirname(onnxPath);
  const direct = [...places].every(([location, real]) => real === path.join(home, location));
  const zipMaps = summary.hasOnnxDomain ? summary.zipMaps : [];
  if (direct && zipMaps.length === 0) return source;
  const folder = commonFolder([...places.values()], home);
  const locations = [...places].map(([location, real]) => [location, path.relative(folder, real)] as const);
  source.unzipped = new Map(zipMaps.map(({ output, classes }) => [output, classes]));
  const columns = zipMaps.map(({ output, classes }) => [output, classes.length] as const);
  const bytes = rewriteModel(readFileSync(onnxPath), {
    locations: new Map(locations),
    zipMaps: new Map(columns),
  });
  source.rewritten = { bytes, folder };
  return source;
}

function lookInto(file: string, source: OnnxSource): OnnxSummary | undefined {
  const mistaken = mistakenFor(file);
  if (mistaken !== undefined) source.suspicion = { reason: `it is ${mistaken.is}`, fix: mistaken.fix };
  const opened = new FileSource(file);
  try {
    const summary = summarize(opened);
    if (summary.hasGraph) return summary;
    source.suspicion ??= { reason: 'it is not an ONNX model: it holds no graph', fix: COPY_AGAIN };
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
    const reason =
      error.needs === undefined
        ? 'it is not an ONNX model'
        : `it is cut off: it has ${formatBytes(opened.size)}, and goes on at least to ${formatBytes(error.needs)}`;
    source.suspicion ??= { reason, fix: COPY_AGAIN };
  } finally {
    opened.close();
  }
  return undefined;
}

/** Real path of an external data file, which must exist and be complete. */
function placeOf(files: ModelFiles, { location, bytes }: ExternalData): string {
  const { label, dataDirs, name } = files;
  const shown = printable(location);
  if (path.isAbsolute(location) || path.normalize(location).startsWith('..')) {
    throw loadError(
      label,
      `its weights are in '${shown}', outside of its directory`,
      'export it again with the weights next to it: onnx.save_model(model, path, save_as_external_data=True, location="model.onnx_data")',
    );
  }
  const found = dataDirs.map((dir) => path.join(dir, location)).find((file) => existsSync(file));
  if (found === undefined) throw missingData(files, location);
  const real = realpathSync(found);
  try {
    accessSync(real, constants.R_OK);
    refuseSpecial(real);
  } catch (error) {
    throw unreadable(name, real, error);
  }
  const { size } = statSync(real);
  if (size >= bytes && size > 4096) return real;
  const mistaken = mistakenFor(real);
  if (mistaken !== undefined && (size < bytes || /pointer|HTML|empty/.test(mistaken.is))) {
    throw loadError(label, `its weights file ${shown} is ${mistaken.is}`, mistaken.fix);
  }
  if (size < bytes) {
    throw loadError(
      label,
      `its weights file ${shown} is cut off: it has ${formatBytes(size)} of at least ${formatBytes(bytes)}`,
      COPY_AGAIN,
    );
  }
  return real;
}

function missingData({ label, dataDirs }: ModelFiles, location: string): InferError {
  const dir = dataDirs[0] as string;
  const target = quoteWord(path.join(dir, location));
  const others = readdirSync(dir).filter((name) => name !== path.basename(label));
  const only = others.length === 1 ? others[0] : closestWord(location, others);
  return loadError(
    label,
    `its weights file ${printable(location)} is missing`,
    only === undefined
      ? `copy it to ${target}: it was exported with the model`
      : `copy it to ${target}; if it is ${printable(only)}: mv ${quoteWord(path.join(dir, only))} ${target}`,
  );
}

/** The directory that contains all of the files; `otherwise` if there are none. */
function commonFolder(files: readonly string[], otherwise: string): string {
  let folder = files[0] === undefined ? otherwise : path.dirname(files[0]);
  while (!files.every((file) => file.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep)))
    folder = path.dirname(folder);
  return folder;
}

/** MODEL_LOAD: a model file that cannot be loaded. `reason` ends the sentence. */
export function loadError(label: string, reason: string, hint: string, cause?: unknown): InferError {
  return new InferError('MODEL_LOAD', `model ${label} cannot be loaded: ${reason}`, {
    hint,
    cause,
  });
}
