import { closestWord } from '../config/suggest.js';
import { printable } from '../core/job.js';
import { parseTextProto, type TextField, TextProtoError, type TextValue } from './text-proto.js';

/** The kind of a field's value; a message by its fields, or `any` where infer reads nothing of it. */
type Kind = 'string' | 'whole' | 'boolean' | 'any' | { readonly words: readonly string[] } | Fields;

interface Field {
  readonly kind: Kind;
  readonly many?: boolean;
}

interface Fields {
  readonly [name: string]: Field;
}

const TYPES = 'INVALID BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 STRING BF16'
  .split(' ')
  .map((name) => `TYPE_${name}`);

const one = (kind: Kind): Field => ({ kind });
const many = (kind: Kind): Field => ({ kind, many: true });
const STRING = one('string');
const WHOLE = one('whole');
const FLAG = one('boolean');
const ANY = many('any');

const TENSOR: Fields = {
  name: STRING,
  data_type: one({ words: TYPES }),
  dims: many('whole'),
  reshape: one({ shape: many('whole') }),
  is_shape_tensor: FLAG,
  is_non_linear_format_io: FLAG,
};

/**
 * Triton's `ModelConfig` (model_config.proto of triton-inference-server/common). What infer does not use is
 * accepted unread; a field that is not here does not exist in Triton either.
 */
const MODEL_CONFIG: Fields = {
  name: STRING,
  platform: STRING,
  backend: STRING,
  runtime: STRING,
  version_policy: one({
    latest: one({ num_versions: WHOLE }),
    all: one({}),
    specific: one({ versions: many('whole') }),
  }),
  max_batch_size: WHOLE,
  input: many({
    ...TENSOR,
    format: one({ words: ['FORMAT_NONE', 'FORMAT_NHWC', 'FORMAT_NCHW'] }),
    allow_ragged_batch: FLAG,
    optional: FLAG,
  }),
  output: many({ ...TENSOR, label_filename: STRING }),
  batch_input: ANY,
  batch_output: ANY,
  optimization: ANY,
  dynamic_batching: one({
    preferred_batch_size: many('whole'),
    max_queue_delay_microseconds: WHOLE,
    preserve_ordering: FLAG,
    priority_levels: WHOLE,
    default_priority_level: WHOLE,
    default_queue_policy: ANY,
    priority_queue_policy: ANY,
  }),
  sequence_batching: ANY,
  ensemble_scheduling: ANY,
  instance_group: many({
    name: STRING,
    kind: one({ words: ['KIND_AUTO', 'KIND_GPU', 'KIND_CPU', 'KIND_MODEL'] }),
    count: WHOLE,
    gpus: many('whole'),
    rate_limiter: ANY,
    secondary_devices: ANY,
    profile: ANY,
    passive: FLAG,
    host_policy: STRING,
  }),
  default_model_filename: STRING,
  cc_model_filenames: ANY,
  metric_tags: ANY,
  parameters: many({ key: STRING, value: one({ string_value: STRING }) }),
  model_warmup: ANY,
  model_operations: one({ op_library_filename: many('string') }),
  model_transaction_policy: one({ decoupled: FLAG }),
  model_repository_agents: ANY,
  response_cache: ANY,
  model_metrics: ANY,
};

/** A value and the line of its field. */
export interface Located<T> {
  value: T;
  line: number;
}

/** A fault in a config.pbtxt. */
export class TritonFault extends Error {
  override readonly name = 'TritonFault';

  constructor(
    readonly line: number,
    message: string,
    readonly fix?: string,
  ) {
    super(message);
  }
}

/** A message whose fields have been checked. */
export class TritonMessage {
  constructor(
    private readonly fields: readonly TextField[],
    /** Of the field that has it. */
    readonly line: number,
  ) {}

  text(name: string): Located<string> | undefined {
    return this.texts(name)[0];
  }

  /** Strings, and words such as `TYPE_FP32`. */
  texts(name: string): Located<string>[] {
    return this.named(name).map(({ line, value }) => ({ line, value: 'text' in value ? value.text : '' }));
  }

  whole(name: string): Located<number> | undefined {
    return this.wholes(name)[0];
  }

  wholes(name: string): Located<number>[] {
    return this.named(name).map(({ line, value }) => ({
      line,
      value: value.kind === 'number' ? value.value : 0,
    }));
  }

  flag(name: string): Located<boolean> | undefined {
    const found = this.text(name);
    return found && { line: found.line, value: TRUE.has(found.value) };
  }

  message(name: string): TritonMessage | undefined {
    return this.messages(name)[0];
  }

  messages(name: string): TritonMessage[] {
    return this.named(name).map(
      ({ line, value }) => new TritonMessage(value.kind === 'message' ? value.fields : [], line),
    );
  }

  /** The line of a field, if it is there. */
  lineOf(name: string): number | undefined {
    return this.named(name)[0]?.line;
  }

  private named(name: string): TextField[] {
    return this.fields.filter((field) => field.name === name);
  }
}

/**
 * Reads a config.pbtxt: its syntax, and the names and kinds of its fields.
 * @throws TritonFault with the line.
 */
export function readTriton(text: string): TritonMessage {
  try {
    const fields = parseTextProto(text);
    checkFields(fields, MODEL_CONFIG, '');
    return new TritonMessage(fields, 1);
  } catch (error) {
    if (error instanceof TextProtoError) throw new TritonFault(error.line, error.message);
    throw error;
  }
}

function checkFields(fields: readonly TextField[], known: Fields, within: string): void {
  const seen = new Set<string>();
  for (const { name, line, value } of fields) {
    const field = Object.hasOwn(known, name) ? known[name] : undefined;
    const path = within === '' ? name : `${within}.${name}`;
    if (field === undefined) throw unknownField(path, name, line, Object.keys(known));
    if (seen.has(name) && field.many !== true)
      throw new TritonFault(line, `field ${path} appears twice`, 'remove one of the two');
    seen.add(name);
    checkValue(value, field.kind, path, line);
  }
}

function unknownField(path: string, name: string, line: number, known: readonly string[]): TritonFault {
  const near = closestWord(name, known);
  const hint = near === undefined ? '' : `did you mean '${near}'? `;
  const fields = known.length > 12 ? '' : `fields are ${known.join(', ')}`;
  return new TritonFault(line, `unknown field ${printable(path)}`, `${hint}${fields}`.trim() || undefined);
}

const TRUE = new Set(['true', 'True', 't', '1']);
const FALSE = new Set(['false', 'False', 'f', '0']);

function checkValue(value: TextValue, kind: Kind, path: string, line: number): void {
  if (kind === 'any') return;
  const wrong = (wanted: string, fix?: string) =>
    new TritonFault(line, `field ${path} must be ${wanted}`, fix);
  if (kind === 'string') {
    if (value.kind !== 'string') throw wrong('a string in quotes', `${path}: "…"`);
  } else if (kind === 'whole') {
    if (value.kind !== 'number' || !Number.isSafeInteger(value.value)) throw wrong('a whole number');
  } else if (kind === 'boolean') {
    const text = value.kind === 'word' || value.kind === 'number' ? value.text : '';
    if (!TRUE.has(text) && !FALSE.has(text)) throw wrong('true or false');
  } else if (isWords(kind)) {
    checkWord(value, kind.words, path, line);
  } else {
    if (value.kind !== 'message') throw wrong('a message in { }');
    checkFields(value.fields, kind, path);
  }
}

function isWords(kind: object): kind is { readonly words: readonly string[] } {
  return 'words' in kind && Array.isArray(kind.words);
}

function checkWord(value: TextValue, words: readonly string[], path: string, line: number): void {
  if (value.kind === 'word' && words.includes(value.text)) return;
  const text = 'text' in value ? value.text : '';
  const near = words.find((word) => word.endsWith(`_${text.toUpperCase()}`)) ?? closestWord(text, words);
  const hint = near === undefined ? '' : `did you mean ${near}? `;
  throw new TritonFault(line, `field ${path} must be one of ${words.join(', ')}`, `${hint}without quotes`);
}
