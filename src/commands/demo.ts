import { Flags } from '@oclif/core';
import type { DemoJson } from '../lib/bench/demo-figures.js';
import { BaseCommand } from '../lib/cli/base-command.js';
import { wholeFlag } from '../lib/cli/flags.js';
import { EVERY_STOP_SIGNAL, interruptible } from '../lib/cli/signals.js';
import { demoView, keptView, tryNext } from '../lib/cli/views/demo-view.js';
import { ExitCode } from '../lib/core/exit-codes.js';

const DEFAULT_ROWS = 50_000;
/** A smaller number would not contain every test digit. */
const MIN_ROWS = 397;

/** Shows all of infer at work, with the bundled model and digits. */
export default class Demo extends BaseCommand<typeof Demo> {
  static override summary = 'watch infer at work: a batch of real digits, and urgent ones that overtake it';
  static override description =
    `Starts a private Redis in a temporary directory and a worker, sends the handwritten digits that come with infer as a batch, and meanwhile asks for single digits of priority 9. Prints accuracy, throughput and latency, all measured on the spot.
With --redis or INFER_REDIS_URL it uses that server, under its own key prefix, and removes those keys at the end. Leaves nothing running unless --keep is given.
Exits 1 when the worker's answers to a repeated digit differ.`;
  static override examples = [
    '<%= config.bin %> demo',
    '<%= config.bin %> demo --rows 200000',
    "<%= config.bin %> demo --json | jq '.latency.besideBatch.totalMs'",
    '<%= config.bin %> demo --keep',
  ];
  static override flags = {
    rows: wholeFlag({
      min: MIN_ROWS,
      description: `rows of the batch, rounded up to whole rounds of the ${MIN_ROWS} digits [default: ${DEFAULT_ROWS}]`,
    }),
    keep: Flags.boolean({ description: 'leave Redis and the worker running, and say how to end them' }),
  };

  async run(): Promise<DemoJson> {
    const { Stage } = await import('../lib/bench/stage.js');
    const { tell } = await import('../lib/cli/demo/story.js');
    const { invocation } = await import('../lib/cli/invocation.js');
    const { layout } = this;
    const play = async (signal: AbortSignal) => {
      const stage = new Stage(this.loaded);
      try {
        const figures = await tell(stage, {
          rows: this.flags.rows ?? DEFAULT_ROWS,
          signal,
          progress: this.progress,
          layout,
          step: (text) => this.step(text),
          show: (lines) => this.print(lines),
        });
        signal.throwIfAborted();
        return { ...figures, kept: this.flags.keep ? stage.keep() : null };
      } finally {
        await stage.strike();
      }
    };
    const demo = await interruptible(play, process, undefined, EVERY_STOP_SIGNAL);
    if (demo.kept === null) this.step('Stopped and removed all that was started.');
    const call = invocation();
    const given = this.loaded.sources.redisUrl.kind === 'flag' ? demo.redis.label : null;
    const end = demo.kept === null ? [] : keptView(call, demo.kept, layout.paint);
    await this.print(['', ...demoView(demo, layout), ...tryNext(call, demo, given, layout.paint), ...end]);
    if (demo.accuracy.differing > 0) this.endWith(ExitCode.Negative);
    return demo;
  }

  private step(text: string): void {
    if (!this.jsonEnabled()) this.note(text);
  }
}
