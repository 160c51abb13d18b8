import { withoutMark } from '../core/text.js';
import { type Derived, derived } from './derived.js';
import { manifestError } from './manifest-error.js';
import { CONFIG_FILE, MODULES_FILE, PROCESSOR_FILE, TOKENIZER_FILE } from './model-names.js';
import type { Task } from './signature.js';

/** A Hugging Face export: the files next to its `config.json`, for what turns raw input into tensors. */
export interface ExportFiles {
  /** Real path of the directory that contains them. */
  dir: string;
  /** Real paths of those of `EXPORT_FILES` that exist, by name. */
  files: Record<string, string>;
}

/** What decides which rows a model takes, besides its config.json. */
export interface ExportContext {
  /** Whether this file of the export is there. */
  has(name: string): boolean;
  /** A handler of its own makes its rows, or may. */
  handled: boolean;
}

/** Heads that give one class for a row, or for each token of it. */
const CLASSIFIER = /For(?:Image|Sequence|Audio|Video|Token)Classification$/;

const from = (field: string): string => `${CONFIG_FILE} ${field}`;

/**
 * Settings from an export's config.json: labels from `id2label`; the task from the head in `architectures`, unless
 * `problem_type` says that a row has several classes or a number. It is a classification of texts or images where the
 * files that prepare them are there, else of tensors.
 * @param label of the file in messages.
 * @throws InferError MODEL_MANIFEST when it is not a JSON object.
 */
export function fromConfig(text: string, label: string, context: ExportContext): Derived {
  const config = objectIn(text, label);
  const found = derived();
  const labels = takeLabels(config, found);
  takeTask(config, labels, found, context);
  return found;
}

/** The JSON value of a file of an export. @throws InferError MODEL_MANIFEST when it is not JSON. */
export function valueIn(text: string, label: string): unknown {
  try {
    return JSON.parse(withoutMark(text));
  } catch (error) {
    throw manifestError(
      label,
      `it is not JSON: ${(error as Error).message}`,
      'copy it again from the export',
    );
  }
}

/** The same of one that holds an object. @throws InferError MODEL_MANIFEST when it does not. */
export function objectIn(text: string, label: string): Record<string, unknown> {
  const value = valueIn(text, label);
  if (isRecord(value)) return value;
  throw manifestError(label, 'it is not a JSON object', 'copy it again from the export');
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
  context: ExportContext,
): void {
  const [architecture] = Array.isArray(config.architectures) ? (config.architectures as unknown[]) : [];
  if (typeof architecture !== 'string') return;
  if (!CLASSIFIER.test(architecture)) {
    // Its steps say more than its architecture, which is only that of the first.
    if (isSentenceModel(context)) return;
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
    manifest.task = taskOf(architecture, context);
    origins.push({ field: 'task', from: from('architectures[0]'), assumed: true });
    if (architecture.endsWith('ForTokenClassification')) notes.push('each token has its own class');
  }
}

function taskOf(architecture: string, { has, handled }: ExportContext): Exclude<Task, 'handler'> {
  if (handled) return 'classification';
  if (architecture.endsWith('ForSequenceClassification') && has(TOKENIZER_FILE)) return 'text-classification';
  if (architecture.endsWith('ForImageClassification') && has(PROCESSOR_FILE)) return 'image-classification';
  return 'classification';
}

/** Whether an export is one of sentence-transformers, whose rows are texts. */
export function isSentenceModel({ has, handled }: ExportContext): boolean {
  return !handled && has(MODULES_FILE) && has(TOKENIZER_FILE);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
