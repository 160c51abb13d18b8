import { statSync } from 'node:fs';
import { type InferError, messageOf } from '../core/errors.js';
import {
  areSettled,
  changedSince,
  differences,
  type FileMark,
  fingerprint,
  modelChanged,
  overwritten,
} from '../model/fingerprint.js';
import type { ModelSignature } from '../model/signature.js';
import type { ModelProblem } from '../queue/types.js';
import type { Logger } from '../telemetry/logger.js';
import type { RunnerPool } from './runner-pool.js';
import type { SessionSpec } from './session-spec.js';

/**
 * Knows what is wrong with a worker's models: those it could not load, those that a runner's successor
 * could not load again, and those whose files are no longer what was loaded. Says each once in the log.
 */
export class ModelWatch {
  /** By session: the files on disk differ from what runs. */
  private readonly changed = new Map<string, InferError>();
  /** By session: files as they were read last, where they differ from what was loaded. */
  private readonly read = new Map<string, FileMark[]>();
  private said = new Map<string, ModelProblem>();

  constructor(
    private readonly pool: RunnerPool,
    private readonly log: Logger,
  ) {}

  /** What is wrong now, for the worker's record. */
  get problems(): ModelProblem[] {
    const broken = [...this.pool.broken].map(([model, error]) => problem(model, undefined, error, false));
    const loaded = this.pool.sessions.flatMap(({ model, session, version }) => {
      const refused = this.pool.slots
        .map((slot) => slot.refused.get(session))
        .find((error) => error !== undefined);
      const served = this.pool.holds(session);
      const changed = this.changed.get(session);
      const error = served ? (changed ?? refused) : (refused ?? changed);
      return error === undefined ? [] : [problem(model, version, error, served)];
    });
    return [...broken, ...loaded];
  }

  /** Compares what is loaded with what is on disk: one `stat` a file, and a hash only where that does not tell. */
  async look(): Promise<void> {
    const { sessions } = this.pool;
    for (const spec of sessions) await this.lookAt(spec);
    for (const session of [...this.changed.keys()])
      if (!sessions.some((spec) => spec.session === session)) this.changed.delete(session);
    this.say();
  }

  /** Logs problems that are new, and those that are over. */
  say(): void {
    const now = new Map(
      this.problems.map((one) => [`${one.model}@${one.version} ${one.code} ${one.served}`, one]),
    );
    for (const [key, { model, version, code, message, hint, served }] of now) {
      if (this.said.has(key)) continue;
      const what = served
        ? 'model has changed on disk: it is served as it was loaded'
        : 'model is not served';
      this.log.error({ model, version, code, reason: message, hint }, what);
    }
    for (const [key, { model, version }] of this.said)
      if (!now.has(key) && ![...now.values()].some((one) => one.model === model))
        this.log.info({ model, version }, 'model is served, and is what is on disk');
    this.said = now;
  }

  private async lookAt(spec: SessionSpec): Promise<void> {
    const { session, expect, model, version } = spec;
    if (expect === undefined || version === undefined) return;
    const labels = await changedSince(expect.files);
    if (labels.length === 0) {
      this.changed.delete(session);
      this.read.delete(session);
    }
    // Marks made just after a change are read once more, so that later runners need not hash those files again.
    const files = expect.files.filter(({ label, settled }) =>
      labels.length === 0 ? !settled : labels.includes(label),
    );
    if (files.length === 0) return;
    await this.guardMapped(spec, files);
    // Hashed when it is at rest: a file that is being copied changes every second.
    if (!(await areSettled(files))) return;
    try {
      const contents = expect.files.map(({ label, path }) =>
        isThere(path) ? { label, path } : { label, path, sha: '' },
      );
      const known = [...expect.files, ...(this.read.get(session) ?? [])];
      const now = await fingerprint(contents, known);
      this.read.set(session, now.files);
      if (now.digest === expect.digest) {
        // Written again with the same content, or moved: what is loaded is what is there.
        expect.files.splice(0, expect.files.length, ...now.files);
        this.changed.delete(session);
        return;
      }
      const which = differences(expect.files, now.files);
      const what = `is served as it was loaded; ${which.join(', ')} changed on disk since`;
      this.changed.set(session, modelChanged(model, version, what, which));
    } catch (error) {
      const what = `is served as it was loaded; its files cannot be read now: ${messageOf(error)}`;
      this.changed.set(session, modelChanged(model, version, what));
    }
  }

  /** External data is mapped, not copied: writing to the file changes the weights of the model that runs. */
  private async guardMapped(spec: SessionSpec, files: readonly FileMark[]): Promise<void> {
    const { session, model, version } = spec;
    const mapped = this.pool.slots.flatMap((slot) => slot.loadedAs(session)?.mapped ?? []);
    const hits: string[] = [];
    for (const file of files)
      if (mapped.includes(file.label) && (await overwritten(file))) hits.push(file.label);
    if (hits.length === 0 || !this.pool.holds(session)) return;
    const what = `was overwritten while it ran (${hits.join(', ')}), and no longer is what was loaded`;
    this.pool.withdraw(session, modelChanged(model, version as number, what));
  }
}

/** What a user should know of a model that was loaded. */
export function logWarnings(log: Logger, { name, version, warnings }: ModelSignature): void {
  for (const warning of warnings) log.warn({ model: name, version, warning }, 'model loaded with a warning');
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function problem(
  model: string,
  version: number | undefined,
  error: InferError,
  served: boolean,
): ModelProblem {
  const { code, message, hint } = error;
  return { model, version: version ?? null, code, message, hint: hint ?? null, served };
}
