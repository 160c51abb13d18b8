/** The names that a model's files have on disk. */

export const MODEL_FILE = 'model.onnx';
/** `<models>/<name>/model.json`: infer's own settings of a model. */
export const MANIFEST_FILE = 'model.json';
/** Triton's settings of a model. */
export const TRITON_FILE = 'config.pbtxt';
/** Hugging Face's description of a model. */
export const CONFIG_FILE = 'config.json';
/** How a Hugging Face export prepares images. */
export const PROCESSOR_FILE = 'preprocessor_config.json';
/** The steps of a sentence-transformers model, and how it pools. */
export const MODULES_FILE = 'modules.json';
export const POOLING_FILE = '1_Pooling/config.json';
/** What turns texts into tokens, in a Hugging Face export. */
export const TOKENIZER_FILE = 'tokenizer.json';
export const TOKENIZER_CONFIG = 'tokenizer_config.json';
/** How long the texts of a sentence-transformers model are. */
export const SENTENCE_CONFIG = 'sentence_bert_config.json';
export const VERSION_DIR = /^[1-9]\d{0,8}$/;

/**
 * The files of a Hugging Face export that determine its answers, below the directory that contains
 * `config.json`.
 */
export const EXPORT_FILES: readonly string[] = [
  CONFIG_FILE,
  PROCESSOR_FILE,
  'processor_config.json',
  TOKENIZER_FILE,
  TOKENIZER_CONFIG,
  'special_tokens_map.json',
  MODULES_FILE,
  SENTENCE_CONFIG,
  POOLING_FILE,
];

/** One of these next to a model file means that the directory is one model's. */
export const EXPORT_MARKS: ReadonlySet<string> = new Set([
  MANIFEST_FILE,
  TRITON_FILE,
  ...EXPORT_FILES.filter((name) => !name.includes('/')),
]);
