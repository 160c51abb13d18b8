import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { closestWord } from '../config/suggest.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { isName } from '../core/names.js';
import type { ContentFile } from './fingerprint.js';
import { handlerFiles } from './handler-files.js';
import { type ModelManifest, parseManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import { MODEL_FILE, type Survey, surveyModels } from './survey.js';
import { isDenied, unreadable } from './unreadable.js';

/** A model found on disk. */
export interface ModelFiles {
  name: string;
  version: number;
  /** Real path of the model's directory. */
  dir: string;
  /** Real path of model.onnx. */
  onnxPath: string;
  /**
   * Directories that may contain its external data: the version's, and those that contain model.onnx or links
   * on the way to it.
   */
  dataDirs: string[];
  /** `digits/1/model.onnx`: its name in messages. */
  label: string;
  manifest: ModelManifest;
  /** Real path of the manifest's handler module. */
  handlerPath?: string;
  /**
   * The files that determine its answers: model.onnx, model.json, the handler and its files. External data is
   * added later.
   */
  contents: ContentFile[];
  /** Bytes of everything in the version directory: model.onnx and its external data. */
  sizeBytes: number;
}

const MANIFEST_FILE = 'model.json';

/**
 * One model and all its files, with its manifest. Links of the model's directory, its versions, model.onnx
 * and weights are followed wherever they lead; model.json and the handler must be in the model's directory.
 * @throws InferError MODEL_UNKNOWN (exit 66), MODEL_UNREADABLE (77), MODEL_PATH or MODEL_MANIFEST (78).
 */
export function findModel(dir: string, name: string, version?: number): ModelFiles {
  const survey = surveyModels(dir);
  const denied = survey.denied.find((one) => one.name === name);
  if (denied !== undefined) throw denied.error;
  const listing = isName('model', name) ? survey.models.find((one) => one.name === name) : undefined;
  if (listing === undefined) throw unknownModel(dir, name, survey);
  if (version !== undefined && !listing.versions.includes(version)) {
    throw new InferError('MODEL_UNKNOWN', `model '${name}' has no version ${version}`, {
      hint: `versions there: ${listing.versions.join(', ')}`,
    });
  }
  return new ModelReader(dir, name).read(version ?? listing.version);
}

class ModelReader {
  private readonly modelDir: string;

  constructor(
    dir: string,
    private readonly name: string,
  ) {
    this.modelDir = this.real(path.join(realpathSync(dir), name), name);
  }

  read(version: number): ModelFiles {
    const { name, modelDir } = this;
    const versionDir = this.real(path.join(modelDir, String(version)), `${name}/${version}`);
    const link = path.join(versionDir, MODEL_FILE);
    const label = `${name}/${version}/${MODEL_FILE}`;
    const onnxPath = this.real(link, label);
    const sizeBytes = this.sizeOf(versionDir, `${name}/${version}`, new Set());
    const { manifest, file } = this.readManifest();
    const contents: ContentFile[] = [{ label: `${version}/${MODEL_FILE}`, path: onnxPath }, file];
    const files: ModelFiles = {
      name,
      version,
      dir: modelDir,
      onnxPath,
      dataDirs: dirsOnTheWay(link),
      label,
      manifest,
      contents,
      sizeBytes,
    };
    if (manifest.handler !== undefined) {
      files.handlerPath = this.handlerOf(manifest.handler);
      const read = (file: string) => this.reading(file, () => readFileSync(file, 'utf8'));
      for (const real of handlerFiles(modelDir, files.handlerPath, manifest.handlerWrites ?? [], read)) {
        const own = path.relative(modelDir, real).split(path.sep).join('/');
        if (!contents.some((known) => known.path === real)) contents.push({ label: own, path: real });
      }
    }
    for (const { path: real, sha } of contents) if (sha !== '') this.readable(real);
    return files;
  }

  /** Bytes below a version directory, following links. Names beginning with a dot are excluded. */
  private sizeOf(dir: string, label: string, seen: Set<string>): number {
    if (seen.has(dir)) return 0;
    seen.add(dir);
    let bytes = 0;
    for (const name of this.reading(dir, () => readdirSync(dir))) {
      // Kubernetes keeps its links' targets in `..data`: they are counted by the links' names.
      if (name.startsWith('.')) continue;
      const real = this.real(path.join(dir, name), `${label}/${name}`);
      const stats = this.reading(real, () => statSync(real));
      bytes += stats.isDirectory() ? this.sizeOf(real, `${label}/${name}`, seen) : stats.size;
    }
    return bytes;
  }

  private readManifest(): { manifest: ModelManifest; file: ContentFile } {
    const own = path.join(this.modelDir, MANIFEST_FILE);
    if (!existsSync(own)) return { manifest: {}, file: { label: MANIFEST_FILE, path: own, sha: '' } };
    const label = `${this.name}/${MANIFEST_FILE}`;
    const real = this.inside(own, label);
    const bytes = this.reading(real, () => readFileSync(real));
    // Of the same bytes that are parsed: if read again later, the file may be another one.
    const sha = createHash('sha256').update(bytes).digest('hex');
    return {
      manifest: parseManifest(bytes.toString('utf8'), label),
      file: { label: MANIFEST_FILE, path: real, sha },
    };
  }

  private handlerOf(handler: string): string {
    const file = path.resolve(this.modelDir, handler);
    const label = `${this.name}/${handler}`;
    if (!isWithin(this.modelDir, file)) throw outside(this.name, label);
    if (!existsSync(file))
      throw manifestError(`${this.name}/${MANIFEST_FILE}`, `field handler: there is no ${handler}`);
    return this.inside(file, label);
  }

  private real(file: string, label: string): string {
    return this.reading(file, () => {
      try {
        return realpathSync(file);
      } catch (error) {
        if (isDenied(error)) throw error;
        throw new InferError('MODEL_PATH', `model '${this.name}': ${printable(label)} is a broken link`, {
          hint: 'replace the link by the file itself, or bring back what it leads to',
        });
      }
    });
  }

  private inside(file: string, label: string): string {
    const real = this.real(file, label);
    if (!isWithin(this.modelDir, real)) throw outside(this.name, label);
    return real;
  }

  private readable(file: string): void {
    this.reading(file, () => accessSync(file, constants.R_OK));
  }

  private reading<T>(file: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof InferError) throw error;
      throw unreadable(this.name, file, error);
    }
  }
}

/** Directories of a file and of every link on the way to it; at most as many links as a system follows. */
function dirsOnTheWay(file: string): string[] {
  const dirs = new Set<string>();
  let at = file;
  for (let hop = 0; hop < 40; hop++) {
    dirs.add(path.dirname(at));
    try {
      at = path.resolve(path.dirname(at), readlinkSync(at));
    } catch {
      break;
    }
  }
  dirs.add(path.dirname(realpathSync(file)));
  return [...dirs];
}

function isWithin(dir: string, file: string): boolean {
  const relative = path.relative(dir, file);
  return relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}

function outside(name: string, label: string): InferError {
  return new InferError(
    'MODEL_PATH',
    `model '${name}': ${printable(label)} leads out of the model's own directory`,
    {
      hint: 'copy the file into the model directory: only links of weights are followed out of it',
    },
  );
}

function unknownModel(dir: string, name: string, survey: Survey): InferError {
  const shown = printable(name);
  const skipped = survey.skipped.find(
    ({ place }) => place === name || place.startsWith(`${name}/`) || place === `${name}.onnx`,
  );
  const message = `no model '${shown}' in ${printable(dir)}`;
  return new InferError('MODEL_UNKNOWN', skipped === undefined ? message : `${message}: ${skipped.reason}`, {
    hint: skipped?.fix ?? unknownHint(name, survey),
  });
}

function unknownHint(name: string, { models, denied }: Survey): string {
  const names = [...models, ...denied].map((one) => one.name);
  if (names.length === 0) return 'the directory holds no <name>/<version>/model.onnx yet';
  const near = closestWord(name, names);
  return `${near === undefined ? '' : `did you mean '${near}'? `}models there: ${names.join(', ')}`;
}
