import { hasTrait } from '../../core/error-table.js';
import { InferError } from '../../core/errors.js';
import { linkedAbort } from '../../core/linked-abort.js';
import type { FoundFiles, NamedSource } from '../../input/files/find-files.js';
import { kindOfFiles } from '../../input/files/kinds.js';
import { readFiles } from '../../input/files/read-files.js';
import { fingerprintOf } from '../../input/fingerprint.js';
import type { KeepWish, KeptRows } from '../../input/kept/kept.js';
import { openKeptFiles } from '../../input/kept/kept-files.js';
import { openKept } from '../../input/kept/open-kept.js';
import type { Input, ReadOptions } from '../../input/read.js';
import { selectionOf } from '../../model/selection.js';
import type { ModelSignature } from '../../model/signature.js';
import type { Sink } from '../../output/sink.js';
import type { TableFormat } from '../../output/table/table.js';
import { openTableWriter } from '../../output/table/table-writer.js';
import type { GroupRecord } from '../../queue/types.js';
import type { InferClient } from '../client.js';
import { sendInput } from '../send-input.js';
import { nextId } from '../spec.js';
import type { SubmitOptions } from '../types.js';
import { type JoinCounts, joinedRows } from './joined-rows.js';
import { checkNames, type Predictions, predictionsOf } from './predictions.js';
import { ResumeFile, type ResumeState } from './resume-state.js';

export interface ScoreOptions {
  /** Regular files: they are read several times. */
  found: FoundFiles;
  read: Pick<ReadOptions, 'format' | 'table'>;
  keep: KeepWish;
  output: {
    path: string;
    format: TableFormat;
    /** A file that is replaced when it is complete, so that an unfinished run can be resumed. */
    isFile: boolean;
    open(): Promise<Sink>;
  };
  submit: SubmitOptions;
  /** Continue an unfinished run of the same input, model and output, if there is one. */
  resume: boolean;
  /** Longest wait for the results in ms, after the last row was sent [no limit]. */
  timeoutMs?: number | undefined;
  signal: AbortSignal;
}

/** Called as a run proceeds. */
export interface ScoreHooks {
  /** The group exists. `unfinished`: an earlier run that is not continued. */
  onGroup(group: string, about: { resumed: boolean; unfinished?: string | undefined }): void;
  /** All rows are sent. */
  onSent(group: string): void;
  /** `total` once all rows are sent. */
  onRows(done: number, total: number | undefined): void;
  onWriting(total: number): void;
  onWritten(rows: number): void;
}

export interface Scored {
  group: string;
  queue: string;
  model: string;
  rows: number;
  rowsFailed: number;
  /** Number of the first failed row, from 0. */
  firstFailed?: number;
  /** It continued an unfinished run. */
  resumed?: true;
}

/**
 * Submits files, waits, and writes their rows with their predictions: for several files, and for images, the name of the
 * file, then all columns of the input, then those of the model's outputs and `error`. Memory is flat. Until the output is complete, a small file next to it says
 * which group has its results.
 * @throws InferError INPUT_*, OUTPUT_COLUMNS, OUTPUT_SELECTION, OUTPUT_UNKNOWN, RESUME_MISMATCH, WAIT_TIMEOUT; errors of the system that concern
 *   the output; the signal's reason.
 */
export async function score(
  client: InferClient,
  signature: ModelSignature,
  options: ScoreOptions,
  hooks: ScoreHooks,
): Promise<Scored> {
  const { files, several } = options.found;
  const { signal, output } = options;
  const predictions = predictionsOf(signature, options.submit);
  const read = { ...options.read, signal, localFiles: true };
  const kind = await kindOfFiles(files, signature, read);
  // A file that is an image has no other columns.
  const found = { files, several: several || kind === 'image', kind };
  const input = await readFiles(found, signature, read);
  let kept: KeptRows | undefined;
  try {
    const keep = { ...options.keep, form: FORMS[output.format] };
    const [{ source }] = files as [NamedSource];
    kept = found.several
      ? await openKeptFiles(files, kind, signature, read, keep)
      : await openKept(source, signature, read, keep);
    if (found.several)
      checkNames(kept.columns.slice(1), [...kept.columns.slice(0, 1), ...predictions.columns]);
    else checkNames(kept.columns, predictions.columns);
    const run = new Run(client, signature, { ...options, found }, hooks, predictions);
    return await run.of(input, kept);
  } finally {
    if (input.kind === 'many') await input.close();
    await kept?.close();
  }
}

const FORMS = { csv: 'text', tsv: 'text', ndjson: 'json', parquet: 'typed' } as const;

/** What is answered about a group that has expired or is not known. */
const GONE = new Set([404, 410]);

/** Whether an error ends a run for good: its rows would be refused again. */
export function refusesRows(error: unknown): boolean {
  return error instanceof InferError && hasTrait(error.code, 'bad-rows');
}

class Run {
  private readonly file: ResumeFile | undefined;
  private state: ResumeState | undefined;

  constructor(
    private readonly client: InferClient,
    private readonly signature: ModelSignature,
    private readonly options: ScoreOptions,
    private readonly hooks: ScoreHooks,
    private readonly predictions: Predictions,
  ) {
    const { isFile, path } = options.output;
    this.file = isFile ? new ResumeFile(path) : undefined;
  }

  async of(input: Input, kept: KeptRows): Promise<Scored> {
    const { found, read, signal, submit } = this.options;
    const { files, several } = found;
    const how: unknown[] = [read.format, read.table?.delimiter, read.table?.header];
    how.push([...(read.table?.columns ?? [])]);
    if (several) how.push(files.map(({ name }) => name));
    const asked = selectionOf(submit, this.signature);
    if (asked !== undefined) how.push(asked);
    const sources = files.map(({ source }) => source);
    const digest = await fingerprintOf(sources, how, signal);
    const earlier = await this.file?.read();
    const known = this.options.resume ? await this.continued(earlier, digest) : undefined;
    const id = known?.id ?? nextId('g');
    const { name: model, digest: modelDigest } = this.signature;
    this.state = { group: id, input: digest, model, modelDigest };
    await this.file?.write(this.state);
    const unfinished = earlier?.group === id ? undefined : earlier?.group;
    this.hooks.onGroup(id, { resumed: known !== undefined, unfinished });
    const group = await this.finished(input, known, id);
    const counts = await this.write(group, kept);
    await this.file?.remove();
    return {
      group: group.id,
      queue: group.queue,
      model: group.model,
      rows: group.rows,
      rowsFailed: counts.failed,
      ...(counts.firstFailed === undefined ? {} : { firstFailed: counts.firstFailed }),
      ...(known === undefined ? {} : { resumed: true as const }),
    };
  }

  /**
   * The group of an unfinished run that can be continued.
   * @throws InferError RESUME_MISMATCH if it was a run of something else.
   */
  private async continued(state: ResumeState | undefined, input: string): Promise<GroupRecord | undefined> {
    if (state === undefined) return undefined;
    const { name, digest } = this.signature;
    const other =
      state.model !== name || state.modelDigest !== digest
        ? 'with another model, or another version of it'
        : state.input !== input
          ? 'of another input, or with other columns'
          : undefined;
    if (other !== undefined) {
      throw new InferError('RESUME_MISMATCH', `the unfinished run, group ${state.group}, was ${other}`, {
        hint: `start over without --resume; infer cancel ${state.group} stops what is left of it`,
      });
    }
    try {
      const group = await this.client.group(state.group, { signal: this.options.signal });
      // One that was cancelled cannot be completed; one that has expired has no results.
      return group.state === 'cancelled' ? undefined : group;
    } catch (error) {
      if (error instanceof InferError && GONE.has(error.facts.httpStatus)) return undefined;
      throw error;
    }
  }

  /** Sends what is missing of the rows, and waits for all. */
  private async finished(input: Input, known: GroupRecord | undefined, id: string): Promise<GroupRecord> {
    const { submit, signal, timeoutMs } = this.options;
    const { controller, unlink } = linkedAbort(signal);
    const onProgress = (group: GroupRecord) =>
      this.hooks.onRows(group.rowsDone, group.closed ? group.rows : undefined);
    try {
      if (known?.closed !== true) {
        await sendInput(this.client, this.signature, asMany(input), {
          submit: { ...submit, id, ...(known === undefined ? {} : { queue: known.queue }) },
          signal,
          keepsOn: (error) => !refusesRows(error),
          content: () => this.state?.input ?? '',
          // While rows are sent, this only shows how far the workers are.
          onOpened: () => {
            this.client.waitGroup(id, { signal: controller.signal, onProgress }).catch(() => undefined);
          },
          onRows: () => undefined,
          onTakenBack: () => undefined,
        }).catch(async (error: unknown) => {
          if (refusesRows(error)) await this.file?.remove();
          throw error;
        });
      }
      this.hooks.onSent(id);
      controller.abort();
      return await this.client.waitGroup(id, { timeoutMs, signal, onProgress });
    } finally {
      controller.abort();
      unlink();
    }
  }

  private async write(group: GroupRecord, kept: KeptRows): Promise<JoinCounts> {
    const { output, signal } = this.options;
    const counts: JoinCounts = { rows: 0, failed: 0 };
    this.hooks.onWriting(group.rows);
    const sink = await output.open();
    try {
      if (this.state !== undefined && sink.partial !== undefined)
        await this.file?.write({ ...this.state, partial: sink.partial });
      const writer = await openTableWriter(output.format, sink, [
        ...kept.columns,
        ...this.predictions.columns,
      ]);
      const chunks = this.client.groupChunks(group, { signal });
      for await (const rows of joinedRows(kept, chunks, this.predictions, counts)) {
        signal.throwIfAborted();
        await writer.write(rows);
        this.hooks.onWritten(counts.rows);
      }
      await writer.end();
      await sink.commit();
      return counts;
    } catch (error) {
      await sink.discard();
      throw error;
    }
  }
}

function asMany(input: Input): Input & { kind: 'many' } {
  if (input.kind === 'many') return input;
  const { payload } = input;
  return {
    kind: 'many',
    rows: 1,
    chunks: (async function* () {
      yield payload;
    })(),
    close: async () => undefined,
  };
}
