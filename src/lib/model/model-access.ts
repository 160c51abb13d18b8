import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import type { ContentFile } from './fingerprint.js';
import { isDenied, refuseSpecial, unreadable } from './unreadable.js';

/** Reads files of one model: what cannot be read is that model's fault, with file and reason. */
export class ModelAccess {
  /** Real path of the model's directory. */
  readonly dir: string;

  constructor(
    dir: string,
    readonly name: string,
  ) {
    this.dir = this.real(dir, name);
  }

  /** Real path of a file; `label` names it in messages. @throws InferError MODEL_PATH for a broken link. */
  real(file: string, label: string): string {
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

  /** The same for a file that must be in the model's directory, wherever links lead. @throws MODEL_PATH. */
  inside(file: string, label: string): string {
    const real = this.real(file, label);
    if (!isWithin(this.dir, real)) throw outside(this.name, label);
    return real;
  }

  /** @throws InferError MODEL_UNREADABLE, or MODEL_READ_FAILED for a named pipe, a socket or a device. */
  readable(file: string): void {
    this.reading(file, () => {
      accessSync(file, constants.R_OK);
      refuseSpecial(file);
    });
  }

  /** The bytes of a file. @throws InferError as `readable`. */
  bytes(file: string): Buffer {
    return this.reading(file, () => {
      refuseSpecial(file);
      return readFileSync(file);
    });
  }

  /** A file's text, and its hash of the same bytes: read again later, it may be another file. */
  text(real: string, label: string): { text: string; file: ContentFile } {
    const bytes = this.bytes(real);
    const sha = createHash('sha256').update(bytes).digest('hex');
    return { text: bytes.toString('utf8'), file: { label, path: real, sha } };
  }

  /** Bytes below a directory, following links. Names beginning with a dot are excluded. */
  sizeOf(dir: string, label: string, counts = (_: string) => true, seen = new Set<string>()): number {
    if (seen.has(dir)) return 0;
    seen.add(dir);
    let bytes = 0;
    for (const name of this.reading(dir, () => readdirSync(dir))) {
      // Kubernetes keeps its links' targets in `..data`: they are counted by the links' names.
      if (name.startsWith('.') || !counts(name)) continue;
      const real = this.real(path.join(dir, name), `${label}/${name}`);
      const stats = this.reading(real, () => statSync(real));
      bytes += stats.isDirectory() ? this.sizeOf(real, `${label}/${name}`, counts, seen) : stats.size;
    }
    return bytes;
  }

  reading<T>(file: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof InferError) throw error;
      throw unreadable(this.name, file, error);
    }
  }
}

export function isWithin(dir: string, file: string): boolean {
  const relative = path.relative(dir, file);
  return relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}

export function outside(name: string, label: string): InferError {
  return new InferError(
    'MODEL_PATH',
    `model '${name}': ${printable(label)} leads out of the model's own directory`,
    {
      hint: 'copy the file into the model directory: only links of weights are followed out of it',
    },
  );
}

/** Directories of a file and of every link on the way to it; at most as many links as a system follows. */
export function dirsOnTheWay(file: string): string[] {
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
