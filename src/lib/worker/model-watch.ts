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
 * Tracks problems with a worker's models: those it could not load, those that a replacement runner could not
 * reload, and those whose files no longer match what was loaded. Logs each once.
 */
export class ModelWatch {
  /** By session: the files on disk differ from the loaded ones. */
  private readonly changed = new Map<string, InferError>();
  /** By session: the files as last read, if they differ from what was loaded. */
  private readonly read = new Map<string, FileMark[]>();
  private said = new Map<string, ModelProblem>();

  constructor(
    private readonly pool: RunnerPool,
    private readonly log: Logger,
  ) {}

  /** Current problems, for the worker's record. */
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

  /**
   * Compares the loaded files with those on disk: one `stat` per file, and a hash only where that is
   * inconclusive.
   */
  async look(): Promise<void> {
    const { sessions } = this.pool;
    for (const spec of sessions) await this.lookAt(spec);
    for (const session of [...this.changed.keys()])
      if (!sessions.some((spec) => spec.session === session)) this.changed.delete(session);
    this.say();
  }

  /** Logs new problems, and those that are resolved. */
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
    // Hashed only once the files have settled: a file that is being copied changes every second.
    if (!(await areSettled(files))) return;
    try {
      const contents = expect.files.map(({ label, path }) =>
        isThere(path) ? { label, path } : { label, path, sha: '' },
      );
      const known = [...expect.files, ...(this.read.get(session) ?? [])];
      const now = await fingerprint(contents, known);
      this.read.set(session, now.files);
      if (now.digest === expect.digest) {
        // Rewritten with the same content, or moved: the loaded files match those on disk.
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

  /** External data is mapped, not copied: writing to the file changes the weights of the running model. */
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

/** Warnings about a loaded model for the user. */
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
