import type { Dirent } from 'node:fs';
import path from 'node:path';
import { printable } from '../core/job.js';
import { isName } from '../core/names.js';
import { quoteWord } from '../core/quote-word.js';
import { MODEL_FILE, VERSION_DIR } from './model-names.js';
import { namesIn } from './model-place.js';
import type { Steps } from './steps.js';

/** Something in a models directory that looks like a model but is not served. */
export interface Skipped {
  /** Its path below the models directory. */
  place: string;
  /** `my model is not served: ...`; printable. */
  reason: string;
  /** The command that turns it into one. */
  fix?: string | undefined;
}

/** Things that look like a model file or a version of one model but are not. */
export function* misplacedIn(
  modelDir: string,
  name: string,
  entries: readonly Dirent[],
  versions: readonly number[],
): Steps<Skipped[]> {
  const found: Skipped[] = [];
  const next = (versions.at(-1) ?? 0) + 1;
  const add = (place: string, why: string, fix: string) =>
    found.push({ place, reason: `${printable(place)} is not served: ${why}`, fix });
  for (const { name: entry, ...dirent } of entries.map(asPlain)) {
    const place = `${name}/${entry}`;
    const from = quoteWord(path.join(modelDir, entry));
    if (entry.startsWith('.')) continue;
    const below = dirent.isFile ? new Set<string>() : yield* namesIn(path.join(modelDir, entry));
    if (below.has(MODEL_FILE) && !VERSION_DIR.test(entry)) {
      // A link such as `latest` refers to a version that exists under its number.
      if (versions.length > 0 && dirent.isLink) continue;
      const digits = Number(/[1-9]\d{0,8}/.exec(entry)?.[0] ?? next);
      const to = quoteWord(path.join(modelDir, String(versions.includes(digits) ? next : digits)));
      add(place, 'a version is a whole number without leading zeros, such as 1', `mv ${from} ${to}`);
    } else if (entry.toLowerCase().endsWith('.onnx') && versions.length === 0) {
      found.push(strayFile(modelDir, place, entry));
    } else if (VERSION_DIR.test(entry) && !versions.includes(Number(entry))) {
      found.push(...emptyVersion(modelDir, place, entry, below));
    }
  }
  return found;
}

function asPlain(entry: Dirent) {
  return { name: entry.name, isFile: entry.isFile(), isLink: entry.isSymbolicLink() };
}

/** Parts of a model that needs several runs, as exporters call them. */
const PARTS =
  /^(?:encoder|decoder|decoder_with_past|decoder_model_merged|text_encoder|vision_encoder)\w*\.onnx$/i;

/** A model file in a model's directory under a name that is not served. */
function strayFile(modelDir: string, place: string, entry: string): Skipped {
  const reason = `${printable(place)} is not served`;
  if (PARTS.test(entry)) {
    return {
      place,
      reason: `${reason}: it is a part of a model that runs in several steps, and a model of infer is one graph`,
      fix: 'export it as one graph, or serve the part alone: infer models add FILE --name NAME',
    };
  }
  const target = path.join(modelDir, '1');
  const from = quoteWord(path.join(modelDir, entry));
  return {
    place,
    reason: `${reason}: a model file lies in a version directory`,
    fix: `mkdir -p ${quoteWord(target)} && mv ${from} ${quoteWord(path.join(target, MODEL_FILE))}`,
  };
}

/** A version directory without a model.onnx: being written, or its file has another name. */
function emptyVersion(modelDir: string, place: string, entry: string, names: ReadonlySet<string>): Skipped[] {
  const versionDir = path.join(modelDir, entry);
  const other = [...names].find((name) => name.toLowerCase().endsWith('.onnx'));
  const reason = `${printable(place)} is not served: it holds no ${MODEL_FILE}`;
  if (other === undefined) return [{ place, reason }];
  return [
    {
      place,
      reason: `${reason}, but ${printable(other)}`,
      fix: `mv ${quoteWord(path.join(versionDir, other))} ${quoteWord(path.join(versionDir, MODEL_FILE))}`,
    },
  ];
}

/**
 * A model whose directory or file has a name that no model may have.
 * @param from the path of that directory or file.
 */
export function badNameOf(name: string, from: string): Skipped {
  const to = path.join(path.dirname(from), `${better(name)}${/\.onnx$/i.test(from) ? '.onnx' : ''}`);
  return {
    place: name,
    reason: `${printable(name)} is not served: a model's name has letters, digits, dots, dashes and underscores, at most 128, and begins with none of . and -`,
    fix: `mv ${quoteWord(from)} ${quoteWord(to)}`,
  };
}

/** A valid name for a model, similar to an invalid one. */
function better(name: string): string {
  return (
    name
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9_]+|-+$/g, '')
      .slice(0, 128) || 'model'
  );
}

/** A model file directly in a models directory. */
export function flatFile(dir: string, file: string): Skipped {
  const stem = file.replace(/\.onnx$/i, '');
  const target = path.join(dir, isName('model', stem) ? stem : better(stem), '1');
  return {
    place: file,
    reason: `${printable(file)} is not served: a model lies in <name>/<version>/${MODEL_FILE}`,
    fix: `mkdir -p ${quoteWord(target)} && mv ${quoteWord(path.join(dir, file))} ${quoteWord(path.join(target, MODEL_FILE))}`,
  };
}
