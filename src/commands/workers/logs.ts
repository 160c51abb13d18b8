import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { wholeFlag } from '../../lib/cli/flags.js';
import { writeText } from '../../lib/cli/output/json.js';
import { interruptible } from '../../lib/cli/signals.js';

const LINES = 50;

/** Shows the log of background workers. */
export default class WorkersLogs extends BaseCommand<typeof WorkersLogs> {
  static override summary = "show a background worker's log";
  static override description =
    `The last lines of its log, even if the worker has died or was stopped. With -f, further lines as they are written, until Ctrl-C.
NAME is a worker, or the name that several were started under; each line then begins with its worker.`;
  static override examples = [
    '<%= config.bin %> workers logs rt-1',
    '<%= config.bin %> workers logs rt -f',
    '<%= config.bin %> workers logs rt-1 -n 500 | jq -c "select(.level == \\"error\\")"',
  ];
  static override args = {
    worker: Args.string({ required: true, description: 'worker, or the name of several' }),
  };
  static override flags = {
    follow: Flags.boolean({ char: 'f', description: 'keep printing new lines, until Ctrl-C' }),
    lines: wholeFlag({
      char: 'n',
      min: 0,
      max: 1_000_000,
      description: `how many of the last lines [default: ${LINES}]`,
    }),
  };

  protected override get streamsJson(): boolean {
    return this.isGiven('follow');
  }

  async run(): Promise<{ logs: { name: string; log: string; lines: string[] }[] } | undefined> {
    const { WorkerFiles } = await import('../../lib/scale/worker-files.js');
    const { readWorkerLogs, followWorkerLogs, logLine } = await import('../../lib/scale/read-worker-logs.js');
    const files = new WorkerFiles(this.settings.stateDir);
    const logs = readWorkerLogs(files, this.args.worker, this.flags.lines ?? LINES);
    const several = logs.length > 1;
    const { tty } = this.layout;
    const ndjson = this.flags.follow && this.jsonEnabled() ? this.ndjson() : undefined;
    const write = async (name: string, line: string) => {
      if (ndjson !== undefined) await ndjson.write({ name, line });
      else await writeText(process.stdout, `${logLine(name, line, several, tty)}\n`);
    };
    if (!this.flags.follow && this.jsonEnabled()) {
      return { logs: logs.map(({ name, log, lines }) => ({ name, log, lines })) };
    }
    for (const { name, lines } of logs) for (const line of lines) await write(name, line);
    if (this.flags.follow) await interruptible((signal) => followWorkerLogs(logs, signal, write));
    return undefined;
  }
}
