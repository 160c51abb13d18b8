import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Derived, derived, fromManifest, merged } from './derived.js';
import type { ContentFile } from './fingerprint.js';
import { type ExportFiles, fromConfig, isSentenceModel, objectIn, valueIn } from './hugging-face.js';
import { fromProcessor } from './image-export.js';
import { type ModelManifest, parseManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import { isWithin, type ModelAccess, outside } from './model-access.js';
import {
  CONFIG_FILE,
  EXPORT_FILES,
  MANIFEST_FILE,
  MODULES_FILE,
  POOLING_FILE,
  PROCESSOR_FILE,
  TOKENIZER_CONFIG,
  TOKENIZER_FILE,
  TRITON_FILE,
} from './model-names.js';
import { IMAGE_TASKS } from './raw-inputs.js';
import { fromSentenceModel } from './sentence-export.js';
import { readTritonConfig, type TritonConfig } from './triton-config.js';
import { TritonFault } from './triton-fields.js';

/** Files of an export that may be next to model.json, above the versions. */
const BESIDE_MANIFEST: ReadonlySet<string> = new Set([TOKENIZER_FILE, TOKENIZER_CONFIG]);

/** What the files around a model file say about it. */
export interface ModelSettings extends Derived {
  /** Fields of model.json. */
  given: string[];
  triton?: TritonConfig;
  exported?: ExportFiles;
  /** The files that were read. */
  contents: ContentFile[];
}

/**
 * The settings of a model: those of model.json, else of Triton's config.pbtxt, else of a Hugging Face export's
 * config.json.
 * @param root directory of the export: the version's, or the model's if it has no versions. Its files may be links
 *   that lead elsewhere, as in Hugging Face's cache; model.json may not.
 * @throws InferError MODEL_MANIFEST, MODEL_PATH, MODEL_UNREADABLE.
 */
export function readSettings(access: ModelAccess, root: string): ModelSettings {
  const own = ownSettings(access);
  const triton = tritonSettings(access);
  const hub = hubSettings(access, root, own.found.manifest);
  const all = merged(hub, triton.found, own.found);
  return {
    ...all,
    // If nothing was read elsewhere, there is nothing to explain.
    origins: hub.origins.length + triton.found.origins.length === 0 ? [] : all.origins,
    given: Object.keys(own.found.manifest),
    ...(triton.config === undefined ? {} : { triton: triton.config }),
    ...(hub.exported === undefined ? {} : { exported: hub.exported }),
    contents: [own.file, ...triton.contents, ...hub.contents],
  };
}

function ownSettings(access: ModelAccess): { found: Derived; file: ContentFile } {
  const own = path.join(access.dir, MANIFEST_FILE);
  if (!existsSync(own)) return { found: derived(), file: { label: MANIFEST_FILE, path: own, sha: '' } };
  const label = `${access.name}/${MANIFEST_FILE}`;
  const { text, file } = access.text(access.inside(own, label), MANIFEST_FILE);
  return { found: fromManifest(parseManifest(text, label)), file };
}

function tritonSettings(access: ModelAccess): {
  found: Derived;
  config?: TritonConfig;
  contents: ContentFile[];
} {
  const own = path.join(access.dir, TRITON_FILE);
  if (!existsSync(own)) return { found: derived(), contents: [] };
  const label = `${access.name}/${TRITON_FILE}`;
  const { text, file } = access.text(access.real(own, label), TRITON_FILE);
  try {
    const config = readTritonConfig(text, access.name, label);
    if (config.labels === undefined) return { found: config, config, contents: [file] };
    const names = labelsOf(access, config.labels);
    config.manifest.labels = names.labels;
    return { found: config, config, contents: [file, names.file] };
  } catch (error) {
    if (!(error instanceof TritonFault)) throw error;
    throw manifestError(label, `line ${error.line}: ${error.message}`, error.fix);
  }
}

/** The names of the classes: one a line, as Triton reads them. */
function labelsOf(
  access: ModelAccess,
  { file, line }: { file: string; line: number },
): { labels: string[]; file: ContentFile } {
  const place = path.resolve(access.dir, file);
  const label = `${access.name}/${file}`;
  if (!isWithin(access.dir, place)) throw outside(access.name, label);
  if (!existsSync(place))
    throw new TritonFault(
      line,
      `field label_filename: there is no ${label}`,
      `copy it to ${place}, or leave the field out`,
    );
  const read = access.text(
    access.real(place, label),
    path.relative(access.dir, place).split(path.sep).join('/'),
  );
  const labels = read.text.replace(/^\uFEFF/, '').split(/\r?\n/);
  while (labels.at(-1)?.trim() === '') labels.pop();
  if (labels.length === 0)
    throw new TritonFault(
      line,
      `field label_filename: ${label} is empty`,
      'write the name of each class on a line of its own',
    );
  return { labels, file: read.file };
}

function hubSettings(
  access: ModelAccess,
  root: string,
  { handler, task }: ModelManifest,
): Derived & {
  exported?: ExportFiles;
  contents: ContentFile[];
} {
  const below = path.relative(access.dir, root).split(path.sep).join('/');
  const isHere = (name: string) => existsSync(path.join(root, name));
  // One tokenizer serves all versions of a model, where they have none of their own.
  const isAbove = (name: string) =>
    BESIDE_MANIFEST.has(name) && !isHere(name) && existsSync(path.join(access.dir, name));
  const dirOf = (name: string) => (isAbove(name) ? access.dir : root);
  const labelOf = (name: string) => (below === '' || isAbove(name) ? name : `${below}/${name}`);
  const present = EXPORT_FILES.filter((name) => isHere(name) || isAbove(name));
  if (present.length === 0) return { ...derived(), contents: [] };
  const files: Record<string, string> = {};
  for (const name of present)
    files[name] = access.real(path.join(dirOf(name), name), `${access.name}/${labelOf(name)}`);
  const exported: ExportFiles = { dir: root, files };
  let contents: ContentFile[] = present.map((name) => ({
    label: labelOf(name),
    path: files[name] as string,
  }));
  const context = { has: (name: string) => files[name] !== undefined, handled: handler !== undefined };
  const fileLabel = (name: string) => `${access.name}/${labelOf(name)}`;
  const read = (name: string): string => {
    const { text, file } = access.text(files[name] as string, labelOf(name));
    contents = contents.map((one) => (one.label === file.label ? file : one));
    return text;
  };
  const found: Derived[] = [];
  if (context.has(CONFIG_FILE)) found.push(fromConfig(read(CONFIG_FILE), fileLabel(CONFIG_FILE), context));
  if (isSentenceModel(context)) {
    const pooling = context.has(POOLING_FILE) ? objectIn(read(POOLING_FILE), fileLabel(POOLING_FILE)) : {};
    found.push(fromSentenceModel(valueIn(read(MODULES_FILE), fileLabel(MODULES_FILE)), pooling));
  }
  const fromFiles = merged(...found).manifest.task;
  if (context.has(PROCESSOR_FILE) && IMAGE_TASKS.includes(task ?? fromFiles ?? '')) {
    const images = fromProcessor(objectIn(read(PROCESSOR_FILE), fileLabel(PROCESSOR_FILE)));
    // Images that are prepared in another way than the model was trained with would give wrong classes.
    if (images.manifest.preprocess === undefined) images.manifest.task = 'classification';
    found.push(images);
  }
  return { ...merged(...found), exported, contents };
}
