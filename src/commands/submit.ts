import { Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { priorityFlag, settingFlags, startFlags, waitFlag } from '../lib/cli/flags.js';
import { sayWait } from '../lib/cli/job-place.js';
import { selectionFlags } from '../lib/cli/selection-flags.js';
import { interruptible } from '../lib/cli/signals.js';
import { submitOptions } from '../lib/cli/submit-options.js';
import { inputFileArg, inputFiles, inputFlags, inputOptions } from '../lib/cli/table-flags.js';
import { groupView } from '../lib/cli/views/group-view.js';
import { allOf, isShortened } from '../lib/cli/views/long-lists.js';
import { resultView } from '../lib/cli/views/result-view.js';
import { afterSubmit, submitView } from '../lib/cli/views/submit-view.js';
import type { InferClient } from '../lib/client/client.js';
import type { JobResult, SubmitOptions, SubmittedGroup, SubmittedJob } from '../lib/client/types.js';
import { ExitCode } from '../lib/core/exit-codes.js';
import { chunkId } from '../lib/core/job.js';
import type { FileRows } from '../lib/input/files/read-files.js';
import type { Input } from '../lib/input/read.js';
import type { ModelSignature } from '../lib/model/signature.js';
import { serverTime } from '../lib/redis/server-clock.js';

type SubmitJson = SubmittedJob | SubmittedGroup | JobResult | Record<string, unknown>;

/** Submits work to a queue. */
export default class Submit extends BaseCommand<typeof Submit> {
  static override summary = 'queue one row or a file of rows for a model';
  static override description =
    `One row goes to the queue realtime, many rows go to batch as a group of chunk jobs, unless -Q says otherwise.
FILE (- for standard input; several files, folders, patterns such as 'images/*.jpg' and addresses such as https://host/cat.jpg become one group) is an image for a model that takes images, or holds a flat array (one row), an array of rows, an object of named inputs, an Open Inference Protocol request, NDJSON (a row a line; other fields are ignored), a CSV, TSV or Parquet table, or .npy. Each may be packed with gzip. Files are streamed, never loaded completely.
Exits 1 when a job that was waited for failed, 3 when only some of its rows did, 65 on bad input (nothing of one row is queued), 75 when the wait timed out.`;
  static override examples = [
    '<%= config.bin %> submit --priority 9 examples/one-digit.json',
    '<%= config.bin %> submit examples/digits.ndjson --model digits',
    '<%= config.bin %> submit rows.csv.gz --columns pixels=p0..p63',
    '$ cat rows.ndjson | <%= config.bin %> submit - --quiet',
    '<%= config.bin %> submit order.json --id order-1234 --result-ttl 1d',
    '<%= config.bin %> submit --wait examples/one-digit.json --top-k 3',
    '<%= config.bin %> submit images/ --model pets',
  ];
  static override args = { file: inputFileArg() };
  static override flags = {
    ...settingFlags('queue', 'model', 'modelsDir', 'resultTtl'),
    ...inputFlags(),
    ...settingFlags('retries', 'retryDelay', 'timeLimit', 'softTimeLimit'),
    'no-result': Flags.boolean({ description: 'keep no result: fire and forget' }),
    priority: priorityFlag(),
    id: Flags.string({ helpValue: '<id>', description: 'your own id: sent again, it is the same job' }),
    ...startFlags(),
    ...selectionFlags(),
    wait: waitFlag({ description: 'wait for the result, 30s unless a time is given' }),
  };

  /** Several files, as they are read. */
  private readonly read: FileRows[] = [];

  async run(): Promise<SubmitJson | undefined> {
    const { withClient } = await import('../lib/cli/open-client.js');
    const { readFiles } = await import('../lib/input/files/read-files.js');
    const how = await inputOptions(this.flags);
    const { spooledFiles } = await import('../lib/input/spool.js');
    const given = await inputFiles(this.args.file, (text) => this.note(text));
    return interruptible(async (signal) => {
      const { found, remove } = await spooledFiles(given, signal, 'once');
      const work = async (client: InferClient) => {
        if ((this.flags.at ?? Number.POSITIVE_INFINITY) <= serverTime())
          this.note('the time of --at has passed: it starts at once');
        const signature = await client.signatures.find(this.settings.model);
        const input = await readFiles(found, signature, { ...how, signal, localFiles: true }, this.read);
        return input.kind === 'one'
          ? this.submitOne(client, signature, input, signal)
          : this.submitMany(client, signature, input, signal);
      };
      return withClient(this.loaded, this, work, { patienceMs: this.flags.wait }).finally(remove);
    });
  }

  private get options(): SubmitOptions {
    return submitOptions(this.settings, this.flags);
  }

  private async submitOne(
    client: InferClient,
    signature: ModelSignature,
    input: Input & { kind: 'one' },
    signal: AbortSignal,
  ): Promise<SubmitJson> {
    if (this.flags.wait === undefined) {
      const job = await client.submitPayload(input.payload, signature, { ...this.options, signal });
      await this.print(submitView(job, this.layout, this.quiet));
      await this.sayWait(client, job.id);
      this.next(afterSubmit(job));
      return job;
    }
    const limits = { ...this.options, timeoutMs: this.flags.wait, signal };
    let id: string | undefined;
    const running = client.runPayload(input.payload, signature, limits, (job) => {
      ({ id } = job);
      if (!this.jsonEnabled()) this.note(job.id);
      void this.sayWait(client, job.id);
    });
    const result = await this.whileWaiting(running, () => id, signal);
    // The result is the requested data: --quiet prints nothing else, like a pipe.
    await this.print(resultView(result, this.quiet ? { ...this.layout, tty: false } : this.layout));
    if (isShortened(result.result)) this.noteOnTerminal(allOf(result.id));
    if (result.state !== 'completed') this.endWith(ExitCode.Negative);
    return { ...result };
  }

  private async submitMany(
    client: InferClient,
    signature: ModelSignature,
    input: Input & { kind: 'many' },
    signal: AbortSignal,
  ): Promise<SubmitJson> {
    const { submitGroup, waitForGroup } = await import('../lib/cli/group-progress.js');
    const { failedRowsText } = await import('../lib/cli/views/failed-rows.js');
    const target = this.progress;
    const how = { submit: this.options, target, signal, note: (text: string) => this.note(text) };
    const group = await submitGroup(client, signature, input, how);
    const files = this.read.length === 0 ? {} : { files: this.read };
    await this.print(submitView(group, this.layout, this.quiet));
    await this.sayWait(client, chunkId(group.group, 0));
    if (this.flags.wait === undefined) {
      this.next(afterSubmit(group));
      return { ...group, ...files };
    }
    const waiting = waitForGroup(client, group.group, { target, timeoutMs: this.flags.wait, signal });
    const ended = await this.whileWaiting(waiting, () => group.group, signal);
    if (this.layout.tty) await this.print(groupView(ended, this.layout));
    else if (ended.state !== 'completed') this.warn(failedRowsText(ended.rows - ended.rowsDone, ended.rows));
    this.next(`infer result ${group.group} --output results.ndjson`);
    if (ended.state !== 'completed') this.endWith(ended.rowsDone > 0 ? ExitCode.Partial : ExitCode.Negative);
    return { ...group, ...ended, ...files };
  }

  private sayWait(client: InferClient, id: string): Promise<void> {
    return sayWait(client, id, { note: (text) => this.note(text), warn: (text) => this.warn(text) });
  }
}
