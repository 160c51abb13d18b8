import { withoutMark } from '../core/text.js';
import { type Derived, derived } from './derived.js';
import { manifestError } from './manifest-error.js';
import { CONFIG_FILE } from './model-names.js';

/** A Hugging Face export: the files next to its `config.json`, for what turns raw input into tensors. */
export interface ExportFiles {
  /** Real path of the directory that contains them. */
  dir: string;
  /** Real paths of those of `EXPORT_FILES` that exist, by name. */
  files: Record<string, string>;
}

/** Heads that give one class for a row, or for each token of it. */
const CLASSIFIER = /For(?:Image|Sequence|Audio|Video|Token)Classification$/;

const from = (field: string): string => `${CONFIG_FILE} ${field}`;

/**
 * Settings from an export's config.json: labels from `id2label`; the task `classification` from the head in
 * `architectures`, unless `problem_type` says that a row has several classes or a number.
 * @param label of the file in messages.
 * @throws InferError MODEL_MANIFEST when it is not a JSON object.
 */
export function fromConfig(text: string, label: string): Derived {
  let config: unknown;
  try {
    config = JSON.parse(withoutMark(text));
  } catch (error) {
    throw manifestError(
      label,
      `it is not JSON: ${(error as Error).message}`,
      'copy it again from the export',
    );
  }
  if (!isRecord(config))
    throw manifestError(label, 'it is not a JSON object', 'copy it again from the export');
  const found = derived();
  const labels = takeLabels(config, found);
  takeTask(config, labels, found);
  return found;
}

function takeLabels(
  config: Record<string, unknown>,
  { manifest, origins, notes }: Derived,
): number | undefined {
  const { id2label } = config;
  if (id2label === undefined || id2label === null) return undefined;
  const names = isRecord(id2label) ? inOrder(id2label) : undefined;
  if (names === undefined) {
    notes.push(`${from('id2label')} is not used: it does not map 0, 1, 2, … to names`);
    return undefined;
  }
  manifest.labels = names;
  origins.push({ field: 'labels', from: from('id2label'), assumed: false });
  return names.length;
}

/** The names of classes 0, 1, 2, …; undefined if one is missing or no text. */
function inOrder(id2label: Record<string, unknown>): string[] | undefined {
  const count = Object.keys(id2label).length;
  const names = Array.from({ length: count }, (_, index) => id2label[String(index)]);
  return count > 0 && names.every((name) => typeof name === 'string') ? (names as string[]) : undefined;
}

function takeTask(
  config: Record<string, unknown>,
  labels: number | undefined,
  { manifest, origins, notes }: Derived,
): void {
  const [architecture] = Array.isArray(config.architectures) ? (config.architectures as unknown[]) : [];
  if (typeof architecture !== 'string') return;
  if (!CLASSIFIER.test(architecture)) {
    notes.push(`${from('architectures[0]')} ${architecture} names no task: rows and results are tensors`);
    return;
  }
  const problem = config.problem_type;
  if (problem === 'multi_label_classification') {
    notes.push(
      `${from('problem_type')} is multi_label_classification: a row may have several classes, so results are tensors`,
    );
  } else if (problem === 'regression' || labels === 1) {
    notes.push(`${CONFIG_FILE}: the model gives a number and no class, so results are tensors`);
  } else {
    manifest.task = 'classification';
    origins.push({ field: 'task', from: from('architectures[0]'), assumed: true });
    if (architecture.endsWith('ForTokenClassification')) notes.push('each token has its own class');
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
