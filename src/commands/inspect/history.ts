import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { durationFlag } from '../../lib/cli/flags.js';
import { listFormat, outputFlag, printList } from '../../lib/cli/output/list-format.js';
import { historyHead, historyList, seriesList } from '../../lib/cli/views/history-view.js';
import type { History, HistoryRange } from '../../lib/queue/history/types.js';

const RANGES = ['5m', '1h', '24h', '14d'] as const satisfies readonly HistoryRange[];
const EACH = ['queue', 'model', 'worker'] as const;
/** Rows of the table per range, in ms: about a dozen or two. */
const ROW_MS: Readonly<Record<HistoryRange, number>> = {
  '5m': 60_000,
  '1h': 300_000,
  '24h': 3_600_000,
  '14d': 86_400_000,
};
const SEVERAL = { multiple: true, multipleNonGreedy: true, delimiter: ',' } as const;

/** Shows what was done in the last minutes, hours or days. */
export default class InspectHistory extends BaseCommand<typeof InspectHistory> {
  static override summary =
    'show how much was done, how long it took and how much waited, over the last 5m to 14d';
  static override description =
    `Workers record figures of each minute for 24 hours and of each hour for 14 days. Without a name, all queues together.
Percentiles come from sketches: within 4 % as a rule, 16 % where values vary a lot. Times are UTC. A step without a row was not
recorded, since no worker ran. JSON has a point per minute (5m, 1h), five minutes (24h) or hour (14d) unless --step says
otherwise.`;
  static override examples = [
    '<%= config.bin %> inspect history',
    '<%= config.bin %> inspect history -Q realtime --range 24h',
    '<%= config.bin %> inspect history --by worker --range 14d',
    "<%= config.bin %> inspect history -m digits --json | jq '.history[0].points[] | [.at, .totalMs.p95]'",
  ];
  static override flags = {
    queues: Flags.string({
      ...SEVERAL,
      char: 'Q',
      aliases: ['queue'],
      helpValue: '<names>',
      description: 'of these queues, one table each',
    }),
    model: Flags.string({ ...SEVERAL, char: 'm', helpValue: '<names>', description: 'of these models' }),
    worker: Flags.string({
      ...SEVERAL,
      char: 'd',
      aliases: ['destination'],
      helpValue: '<names>',
      description: 'of the workers with these names, alive or not',
    }),
    by: Flags.option({ options: EACH, description: 'one row for each queue, model or worker, 50 at most' })(),
    range: Flags.option({ options: RANGES, default: '1h' as const, description: 'how far back' })(),
    step: durationFlag({ description: 'time of one row or point: whole minutes, whole hours for 14d' }),
    output: outputFlag(),
  };

  async run(): Promise<{ history: History[] }> {
    const { readDeployment } = await import('../../lib/deployment/deployment-reader.js');
    const { queues, model: models, worker: workers, by, range, step, output } = this.flags;
    const wanted = { queues, models, workers, by, range };
    const format = listFormat(output, this.jsonEnabled(), this.quiet);
    const charts = by === undefined && this.layout.tty && (format === 'table' || format === 'wide');
    const rowMs = step ?? (by === undefined && format !== 'json' ? ROW_MS[range] : undefined);
    // On a terminal, charts have finer steps than the table below them.
    const { fine, rows } = await readDeployment(this.loaded, async (reader) => ({
      fine: charts ? await reader.history(wanted) : [],
      rows: await reader.history({ ...wanted, stepMs: rowMs }),
    }));
    if (format === 'json') return { history: rows };
    if (by !== undefined) {
      await printList(this.listTarget, seriesList, rows);
      return { history: rows };
    }
    if (!charts) {
      const all = rows.flatMap((history) => history.points.map((point) => ({ history, point })));
      await printList(this.listTarget, historyList(rows.length > 1), all);
      return { history: rows };
    }
    for (const [i, history] of rows.entries()) {
      await this.print([...(i === 0 ? [] : ['']), ...historyHead(fine[i] ?? history, this.layout)]);
      const points = history.points.map((point) => ({ history, point }));
      await printList(this.listTarget, historyList(false), points);
    }
    return { history: rows };
  }
}
