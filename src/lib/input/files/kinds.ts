import { plural } from '../../core/counts.js';
import { badInput, InferError } from '../../core/errors.js';
import { printable } from '../../core/job.js';
import { type ModelSignature, takesText } from '../../model/signature.js';
import { isImageFile } from '../image-file.js';
import { openFormat } from '../open-format.js';
import { DEFAULT_MAX_BYTES, type ReadOptions } from '../read.js';
import type { InputFormat } from '../sniff.js';
import type { NamedSource } from './find-files.js';

/** Kinds of files whose rows can be read and written together. */
export type FileKind = 'image' | 'json' | 'table' | 'parquet' | 'npy' | 'text';

const KINDS: Record<InputFormat, FileKind> = {
  image: 'image',
  json: 'json',
  ndjson: 'json',
  csv: 'table',
  tsv: 'table',
  parquet: 'parquet',
  npy: 'npy',
  text: 'text',
};

const WORDS: Record<FileKind, string> = {
  image: 'an image',
  json: 'JSON',
  table: 'a table',
  parquet: 'a Parquet file',
  npy: 'a NumPy array',
  text: 'text',
};

/** Files that are opened at once. */
const AT_ONCE = 16;
/** Unusable files that a message names besides the first. */
const NAMED = 3;

/**
 * The kind of files, from the first bytes of each, before a row of them is sent.
 * @throws InferError INPUT_KINDS (65) if they are of different kinds; for a file that cannot be read or is of no kind that
 *   is read, its error, with the number of others
 */
export async function kindOfFiles(
  files: readonly NamedSource[],
  signature: ModelSignature,
  options: Pick<ReadOptions, 'format' | 'maxBytes' | 'signal'>,
): Promise<FileKind> {
  const kinds: FileKind[] = [];
  const bad: { name: string; error: InferError }[] = [];
  for (let from = 0; from < files.length; from += AT_ONCE) {
    const batch = files.slice(from, from + AT_ONCE);
    const found = await Promise.allSettled(batch.map(({ source }) => kindOf(source, signature, options)));
    for (const [at, one] of found.entries()) {
      const { name } = batch[at] as NamedSource;
      if (one.status === 'fulfilled') kinds.push(one.value);
      else if (one.reason instanceof InferError) bad.push({ name, error: one.reason });
      else throw one.reason;
    }
  }
  const [first, ...others] = bad;
  if (first !== undefined) throw withOthers(namedError(first.error, first.name), others, files.length);
  const kind = kinds[0] as FileKind;
  const other = kinds.findIndex((one) => one !== kind);
  if (other < 0) return kind;
  const [one, two] = [files[0], files[other]].map((file) => printable((file as NamedSource).name));
  throw badInput(
    'INPUT_KINDS',
    `${one} is ${WORDS[kind]} and ${two} is ${WORDS[kinds[other] as FileKind]}; files of one command must be of one kind`,
    { hint: "submit each kind by itself, such as with a pattern: 'folder/*.jpg'" },
  );
}

async function kindOf(
  source: NamedSource['source'],
  signature: ModelSignature,
  { format, maxBytes = DEFAULT_MAX_BYTES, signal }: Pick<ReadOptions, 'format' | 'maxBytes' | 'signal'>,
): Promise<FileKind> {
  const opened = await openFormat(source, {
    format,
    maxBytes,
    signal,
    textLines: takesText(signature),
    imageOf: async (reader) => ((await isImageFile(reader, signature)) ? [] : undefined),
  });
  await opened.reader.close();
  return KINDS[opened.format];
}

/** An error of one of several files, which names it; others than ours are left as they are. */
export function namedError<E>(error: E, name: string): E | InferError {
  if (!(error instanceof InferError)) return error;
  const shown = printable(name);
  return error.message.includes(shown) ? error : error.reworded(`${shown}: ${error.message}`);
}

function withOthers(error: InferError, others: readonly { name: string }[], all: number): InferError {
  if (others.length === 0) return error;
  const names = others.slice(0, NAMED).map(({ name }) => printable(name));
  const rest = others.length > NAMED ? ', …' : '';
  const count = `${plural(others.length, 'other file')} of ${all} cannot be read either`;
  return error.reworded(`${error.message}; ${count}: ${names.join(', ')}${rest}`);
}
