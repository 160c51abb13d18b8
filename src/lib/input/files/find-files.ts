import type { Dirent, Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { InferError } from '../../core/errors.js';
import { printable } from '../../core/job.js';
import { isAddress, parseAddress, shownAddress } from '../address/reach.js';
import { checkSource, type FileSource, type InputSource, isPipe, noInput, unreadable } from '../bytes.js';
import { byName } from './natural-order.js';

/** A file that is read, and what messages and results call it. */
export interface NamedSource<Source = InputSource> {
  source: Source;
  name: string;
}

/** What the arguments of a command name. */
export interface FoundFiles {
  /** In the order of the arguments, and within a folder or pattern in natural order of their names; at least one. */
  files: NamedSource[];
  /** They are named as several: by more than one argument, a folder or a pattern. */
  several: boolean;
}

const MAGIC = /[*?[\]{}]/;

/**
 * Finds the files that arguments name: files, addresses, folders, which are read with the folders in them, and patterns such as
 * `images/*.jpg`. In a folder, hidden names (`.git`) are left out, links to files are followed and links to folders are not.
 * @param words at least one; `-` is standard input
 * @throws InferError INPUT_MISSING, INPUT_UNREADABLE (66), USAGE (2)
 */
export async function findFiles(
  words: readonly string[],
  stdin: Extract<InputSource, { stdin: unknown }>['stdin'],
): Promise<FoundFiles> {
  const [only = ''] = words;
  if (words.length === 1 && only === '-')
    return { files: [{ source: { stdin }, name: 'standard input' }], several: false };
  const files: NamedSource[] = [];
  const typed: FileSource[] = [];
  let several = words.length > 1;
  for (const word of words) {
    if (word === '-') {
      throw new InferError('USAGE', 'standard input (-) cannot be read together with files', {
        hint: 'write it to a file first, or pipe all of them in: cat a.ndjson b.ndjson | infer submit -',
      });
    }
    if (isAddress(word)) {
      files.push(remote(word));
      continue;
    }
    const found = await stat(word).catch(() => undefined);
    const isPattern = found === undefined && MAGIC.test(word);
    if (isPattern || found?.isDirectory() === true) several = true;
    if (isPattern) files.push(...(await matching(word)));
    else if (found?.isDirectory() === true) files.push(...(await inFolder(word)));
    else {
      typed.push({ path: word });
      files.push(await oneFile(word));
    }
  }
  if (!several) return { files, several };
  // In folders, only regular files are found.
  for (const source of typed) await refusePipe(source);
  return { files: files.map((file) => ('path' in file.source ? named(file.name) : file)), several };
}

/** What an address gives. It is asked for when it is read. @throws InferError INPUT_ADDRESS */
function remote(address: string): NamedSource {
  const url = parseAddress(address);
  const name = shownAddress(url);
  const fetch = async (signal?: AbortSignal) => {
    const { Fetcher } = await import('../address/fetcher.js');
    const fetcher = new Fetcher('any', signal);
    const stream = await fetcher.open(url.href).catch((error: unknown) => {
      fetcher.close();
      throw error;
    });
    return stream.once('close', () => fetcher.close());
  };
  return { source: { label: name, fetch }, name };
}

async function oneFile(path: string): Promise<NamedSource> {
  const source: FileSource = { path };
  await checkSource(source);
  return { source, name: path };
}

async function inFolder(folder: string): Promise<NamedSource[]> {
  const files: NamedSource[] = [];
  for await (const path of walk(folder, isVisible, () => 'all')) files.push(named(path));
  if (files.length > 0) return files;
  throw noInput(
    'INPUT_MISSING',
    `there are no files in ${printable(folder)}`,
    'hidden files are left out: name them, or another folder',
  );
}

async function matching(pattern: string): Promise<NamedSource[]> {
  const { Minimatch } = await import('minimatch');
  const wanted = pattern.replace(/^(?:\.\/+)+/, '');
  // `#` and `!` are characters of names, and `..` stays in the pattern as it does in the paths that are compared.
  const matcher = new Minimatch(wanted, { nocomment: true, nonegate: true, optimizationLevel: 0 });
  const segments = wanted.split('/');
  const literal = segments.findIndex((segment) => MAGIC.test(segment));
  const base = segments.slice(0, literal).join('/');
  const folder = base === '' ? (wanted.startsWith('/') ? '/' : '.') : base;
  const files: NamedSource[] = [];
  if (await isFolder(folder)) {
    const fits = (path: string): Fit =>
      matcher.match(path) ? 'all' : matcher.match(path, true) ? 'part' : undefined;
    for await (const path of walk(folder, () => true, fits)) files.push(named(path));
  }
  if (files.length > 0) return files;
  throw noInput(
    'INPUT_MISSING',
    `no file matches ${printable(pattern)}`,
    'check the folder and the pattern: * does not cross folders, **/ does',
  );
}

function named(path: string): NamedSource {
  return { source: { path, label: printable(path) }, name: path };
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function isVisible(name: string): boolean {
  return !name.startsWith('.');
}

/** Whether a path is wanted; of a folder: everything in it, or perhaps something deeper. */
type Fit = 'all' | 'part' | undefined;

/** The files below a folder in natural order. @throws InferError INPUT_UNREADABLE, INPUT_MISSING */
async function* walk(
  folder: string,
  visible: (name: string) => boolean,
  fits: (path: string) => Fit,
): AsyncGenerator<string, void, undefined> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw unreadable(folder, error);
  });
  entries.sort((a, b) => byName(a.name, b.name));
  for (const entry of entries) {
    if (!visible(entry.name)) continue;
    const path = folder === '.' ? entry.name : `${folder.replace(/\/+$/, '')}/${entry.name}`;
    const fit = fits(path);
    if (fit === undefined) continue;
    const kind = entry.isSymbolicLink() ? await linked(path, fit) : entry;
    if (kind?.isFile() === true && fit === 'all') yield path;
    // A link to a folder may lead back to where it is.
    else if (kind === entry && entry.isDirectory())
      yield* fit === 'all' ? walk(path, isVisible, () => 'all') : walk(path, visible, fits);
  }
}

/** What a link leads to. @throws InferError INPUT_MISSING if that does not exist. */
async function linked(path: string, fit: Fit): Promise<Stats | Dirent | undefined> {
  return stat(path).catch((error: unknown) => {
    if (fit !== 'all') return undefined;
    throw noInput(
      'INPUT_MISSING',
      `${printable(path)} is a link to a file that does not exist`,
      'remove the link, or name the other files',
      error,
    );
  });
}

async function refusePipe(source: FileSource): Promise<void> {
  if (!(await isPipe(source.path))) return;
  throw noInput(
    'INPUT_UNREADABLE',
    `${printable(source.path)} is a pipe, which cannot be read together with other files`,
    'write it to a file first, or name it alone',
  );
}
