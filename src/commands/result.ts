import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { settingFlags, waitFlag } from '../lib/cli/flags.js';
import { type PlacedResult, placedResult } from '../lib/cli/job-place.js';
import { interruptible } from '../lib/cli/signals.js';
import { groupView, resumeHint } from '../lib/cli/views/group-view.js';
import { allOf, isShortened } from '../lib/cli/views/long-lists.js';
import { resultView } from '../lib/cli/views/result-view.js';
import type { InferClient } from '../lib/client/client.js';
import { ExitCode } from '../lib/core/exit-codes.js';
import type { GroupRecord } from '../lib/queue/types.js';

type ResultJson = PlacedResult | (GroupRecord & { results: unknown[] | string; failedRows?: number[] });

/** Shows the outcome of a job or a group. */
export default class Result extends BaseCommand<typeof Result> {
  static override summary = 'fetch the result of a job or a group';
  static override description =
    `A job: its result, the time it waited and ran, and the worker and device that ran it.
A group: one line of NDJSON per row in input order, to standard output or --output; a row without a result becomes {"error": ...}.
Exits 1 when it failed, 3 when only some of its rows did (their results are there), 66 when the id is unknown or its result has expired, 75 when it has not ended.`;
  static override examples = [
    '<%= config.bin %> result ID',
    '<%= config.bin %> result ID --wait 2m',
    '<%= config.bin %> result GROUP --output results.ndjson',
    '<%= config.bin %> result GROUP --output scores.npy',
    '<%= config.bin %> result GROUP --partial --output so-far.ndjson',
    "<%= config.bin %> result ID --json | jq '.timing'",
  ];
  static override args = {
    id: Args.string({ required: true, description: 'id of a job or a group, as submit printed it' }),
  };
  static override flags = {
    ...settingFlags(),
    partial: Flags.boolean({
      description: 'for a group that has not ended, the rows that have: the others are {"error": ...}',
    }),
    wait: waitFlag({ description: 'wait until it has ended, 30s unless a time is given' }),
    output: Flags.string({
      char: 'o',
      helpValue: '<file>',
      description: 'write the rows there as NDJSON, or as an array if it ends in .npy; - is standard output',
    }),
  };

  async run(): Promise<ResultJson | undefined> {
    const { withClient } = await import('../lib/cli/open-client.js');
    return interruptible((signal) =>
      withClient(
        this.loaded,
        false,
        async (client) =>
          (await client.find(this.args.id, { signal })).kind === 'job'
            ? this.job(client, signal)
            : this.group(client, signal),
        { patienceMs: this.flags.wait },
      ),
    );
  }

  private async job(client: InferClient, signal: AbortSignal): Promise<ResultJson | undefined> {
    const { id } = this.args;
    const { wait, output } = this.flags;
    const result: PlacedResult =
      wait === undefined
        ? await placedResult(client, id, signal)
        : await this.whileWaiting(client.wait(id, { timeoutMs: wait, signal }), () => id, signal);
    const partly = result.state === 'failed' && result.rowsDone !== undefined;
    // Only if the rows go to a pipe or file; a terminal shows both.
    if (partly && result.error !== undefined && (output !== undefined || !this.layout.tty))
      this.warn(`${result.error.code}: ${result.error.message}`);
    if (output !== undefined && (result.state === 'completed' || partly)) {
      const { writeJob } = await import('../lib/cli/result-output.js');
      await writeJob(client, output, result, signal);
      if (output === '-') return undefined;
    } else {
      await this.print(resultView(result, this.layout));
      if (isShortened(result.result)) this.noteOnTerminal(allOf(id));
    }
    if (partly) this.endWith(ExitCode.Partial);
    else if (result.state === 'failed' || result.state === 'expired' || result.state === 'cancelled') {
      this.endWith(ExitCode.Negative);
    } else if (result.state !== 'completed') {
      this.endWith(ExitCode.TryAgain);
      this.next(`infer result ${id} --wait`);
    }
    return result;
  }

  private async group(client: InferClient, signal: AbortSignal): Promise<ResultJson | undefined> {
    const { id } = this.args;
    const { wait, output } = this.flags;
    const { waitForGroup } = await import('../lib/cli/group-progress.js');
    const { rowsFor, writeRows } = await import('../lib/cli/result-output.js');
    const group =
      wait === undefined
        ? await client.group(id, { signal })
        : await this.whileWaiting(
            waitForGroup(client, id, { target: this.progress, timeoutMs: wait, signal }),
            () => id,
            signal,
          );
    const over = group.state === 'completed' || group.state === 'failed' || group.state === 'cancelled';
    if (!over && !this.flags.partial) {
      await this.print(groupView(group, this.layout));
      this.endWith(ExitCode.TryAgain);
      this.next(resumeHint(group) ?? `infer result ${id} --wait`);
      return { ...group, results: [] };
    }
    if (group.state !== 'completed') {
      this.endWith(group.rowsDone > 0 ? ExitCode.Partial : over ? ExitCode.Negative : ExitCode.TryAgain);
    }
    const { failedRowsText } = await import('../lib/cli/views/failed-rows.js');
    const { notingFailed, rowsOf } = await import('../lib/client/group-rows.js');
    const failedRows: number[] = [];
    const inDocument = this.jsonEnabled() && output === undefined;
    const rowsAs = inDocument ? undefined : rowsFor(output);
    const chunks = notingFailed(client.groupChunks(group, { signal, rowsAs }), failedRows);
    const failed = () => (failedRows.length === 0 ? {} : { failedRows });
    if (inDocument) {
      const results: unknown[] = [];
      for await (const chunk of chunks) results.push(...rowsOf(chunk));
      this.endWithLost(group, failedRows.length);
      return { ...group, results, ...failed() };
    }
    const toTerminal = output === undefined && process.stdout.isTTY;
    if (!toTerminal) await writeRows(output ?? '-', chunks, signal, group.rows);
    this.endWithLost(group, failedRows.length);
    if (toTerminal) await this.print(groupView(group, this.layout));
    else if (failedRows.length > 0) this.warn(failedRowsText(failedRows.length, group.rows, failedRows[0]));
    if (toTerminal) this.next(`infer result ${id} --output results.ndjson`);
    return output === undefined || output === '-' ? undefined : { ...group, results: output, ...failed() };
  }

  /** Rows of a complete group without a result: it was not kept, or has expired. */
  private endWithLost({ state, rows }: GroupRecord, lost: number): void {
    if (state !== 'completed' || lost === 0) return;
    this.endWith(lost < rows ? ExitCode.Partial : ExitCode.NoInput);
  }
}
