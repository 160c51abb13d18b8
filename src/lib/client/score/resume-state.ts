import { readFile, realpath, rename, unlink, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { InferError } from '../../core/errors.js';
import { printable } from '../../core/job.js';
import { isPartialOf } from '../../output/replacement.js';

/** What an unfinished run leaves next to its output, so that `--resume` finds its group. */
export interface ResumeState {
  group: string;
  /** Digest of the input and of how it is read. */
  input: string;
  model: string;
  /** Digest of the model's files. */
  modelDigest: string;
  /** Absolute path of the output as far as it was written. */
  partial?: string | undefined;
}

const VERSION = 1;

/** Whether a file is what an unfinished run has left of this output: its state, or a part of it. */
export function isLeftOf(output: string, file: string): boolean {
  const [target, left] = [resolve(output), resolve(file)];
  return left === `${target}.resume` || left === `${target}.resume.new` || isPartialOf(target, left);
}

/** The file of an output's state. */
export class ResumeFile {
  readonly path: string;

  constructor(private readonly output: string) {
    this.path = `${output}.resume`;
  }

  /**
   * The state of an unfinished run; undefined if there is none. What it has written of the output is removed.
   * @throws InferError RESUME_MISMATCH (2) for a file of another kind; the system's errors.
   */
  async read(): Promise<ResumeState | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      if (code !== 'EISDIR') throw error;
      text = '';
    }
    const state = parsed(text);
    if (state === undefined) {
      throw new InferError('RESUME_MISMATCH', `${printable(this.path)} is not what an unfinished run left`, {
        hint: 'move it away, or remove it to start over',
      });
    }
    // Of a link, it is next to the file that the link leads to.
    const output = await realpath(this.output).catch(() => resolve(this.output));
    if (state.partial !== undefined && isPartialOf(output, state.partial))
      await unlink(state.partial).catch(() => undefined);
    return state;
  }

  async write(state: ResumeState): Promise<void> {
    const next = `${this.path}.new`;
    const partial = state.partial && (await realpath(state.partial));
    await writeFile(next, `${JSON.stringify({ version: VERSION, ...state, partial })}\n`);
    await rename(next, this.path);
  }

  async remove(): Promise<void> {
    await unlink(this.path).catch(() => undefined);
  }
}

function parsed(text: string): ResumeState | undefined {
  try {
    const value = JSON.parse(text) as Partial<Record<keyof ResumeState | 'version', unknown>>;
    const { version, group, input, model, modelDigest, partial } = value;
    const isText = [group, input, model, modelDigest].every((one) => typeof one === 'string');
    if (version !== VERSION || !isText || (partial !== undefined && typeof partial !== 'string'))
      return undefined;
    return { group, input, model, modelDigest, partial } as ResumeState;
  } catch {
    return undefined;
  }
}
