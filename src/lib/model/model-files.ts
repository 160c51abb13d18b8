import type { Origin } from './derived.js';
import type { ContentFile } from './fingerprint.js';
import type { ExportFiles } from './hugging-face.js';
import type { ModelManifest } from './manifest.js';
import type { TritonTensors } from './triton-config.js';

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
  /** Its directory below the model's: `1`, `onnx`, or nothing. */
  home: string;
  /** The settings that apply: those of model.json, else those of the other files. */
  manifest: ModelManifest;
  /** Names of the fields of model.json: the others were read elsewhere. */
  given: string[];
  /** Where settings come from, and what was assumed; both empty unless a file other than model.json gives some. */
  origins: Origin[];
  notes: string[];
  /** What Triton's config.pbtxt says about the ONNX file. */
  triton?: TritonTensors;
  /** The files of a Hugging Face export next to the model. */
  exported?: ExportFiles;
  /** Real path of the manifest's handler module. */
  handlerPath?: string;
  /**
   * The files that determine its answers: model.onnx, model.json, the handler and its files. External data is
   * added later.
   */
  contents: ContentFile[];
  /** Bytes of the model file and its external data; of everything in a version directory. */
  sizeBytes: number;
}
