import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Derived, derived, fromManifest, merged } from './derived.js';
import type { ContentFile } from './fingerprint.js';
import { type ExportFiles, fromConfig } from './hugging-face.js';
import { parseManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import { isWithin, type ModelAccess, outside } from './model-access.js';
import {
  CONFIG_FILE,
  EXPORT_FILES,
  MANIFEST_FILE,
  TOKENIZER_CONFIG,
  TOKENIZER_FILE,
  TRITON_FILE,
} from './model-names.js';
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
  const hub = hubSettings(access, root);
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
  const contents: ContentFile[] = present.map((name) => ({
    label: labelOf(name),
    path: files[name] as string,
  }));
  const config = files[CONFIG_FILE];
  if (config === undefined) return { ...derived(), exported, contents };
  const { text, file } = access.text(config, labelOf(CONFIG_FILE));
  return {
    ...fromConfig(text, `${access.name}/${labelOf(CONFIG_FILE)}`),
    exported,
    contents: contents.map((one) => (one.label === file.label ? file : one)),
  };
}
