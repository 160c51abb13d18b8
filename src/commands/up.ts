import { Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { settingFlag, settingFlags, settingsFromFlags, wholeFlag } from '../lib/cli/flags.js';
import { modelsArgument } from '../lib/cli/models-argument.js';
import { type Parent, reporting } from '../lib/cli/parent.js';
import { Interrupted, interruptible, onShutdown } from '../lib/cli/signals.js';
import { runOnWithoutOutput } from '../lib/cli/standard-streams.js';
import { ownWords } from '../lib/cli/up/own-words.js';
import { REDIS_STAYS, upBanner, upReadyLine } from '../lib/cli/views/up-view.js';
import { settingsAsVariables } from '../lib/config/variables.js';
import { ExitCode } from '../lib/core/exit-codes.js';
import type { UpReady } from '../lib/up/types.js';

/** The whole product with one command. */
export default class Up extends BaseCommand<typeof Up> {
  static override summary =
    'run everything: Redis, a worker for each GPU, the HTTP gateway and the dashboard';
  static override description =
    `Finds Redis or starts infer's own, starts a worker for each GPU (or one on the CPU that follows the backlog) and the gateway with the dashboard, and prints their addresses and a curl line for each model. Then it prints one line for each event.
A part that dies is started again, after 1s at first and a minute at most. The first Ctrl-C (or SIGTERM) stops in order: the gateway accepts no new requests and answers those it has, then the workers finish their jobs. A second one ends at once. Redis keeps running, with waiting jobs and results.
Workers listed in the configuration are started instead of the usual ones. Everything after -- is passed to the gateway: see infer serve --help.`;
  static override usage = 'up [MODELS] [FLAGS] [-- GATEWAY FLAGS]';
  static override examples = [
    '<%= config.bin %> up',
    '<%= config.bin %> up ./resnet50.onnx',
    '<%= config.bin %> up --models ./models --port 8080',
    '<%= config.bin %> up --detach',
    '<%= config.bin %> up --host 0.0.0.0 --token-file tokens.json -- --server-name infer.example.com',
  ];
  static override strict = false;
  static override args = { models: modelsArgument() };
  static override flags = {
    ...settingFlags('modelsDir', 'configFile', 'queues', 'tokenFile', 'logLevel'),
    'drain-timeout': settingFlag('drainTimeout', {
      description:
        'how long open requests, and then running jobs, may take when it stops [default: 30s; env: INFER_DRAIN_TIMEOUT]',
    }),
    host: Flags.string({
      helpValue: '<address>',
      default: '127.0.0.1',
      description: 'address of the gateway; 0.0.0.0 for all',
    }),
    port: wholeFlag({
      min: 0,
      max: 65_535,
      default: 8000,
      description: 'port of the gateway; 0 selects a free one',
    }),
    'allow-control': Flags.boolean({
      default: false,
      description: 'let callers of the gateway steer queues and workers',
    }),
    dashboard: Flags.boolean({
      allowNo: true,
      default: true,
      description: 'serve the dashboard too, at /dashboard of the gateway; --no-dashboard does not',
    }),
    detach: Flags.boolean({ char: 'd', description: 'run in the background; infer down stops it' }),
    background: Flags.boolean({ hidden: true, description: 'what --detach starts' }),
  };

  async run(): Promise<UpReady | undefined> {
    const { checkGatewayArgs, checkNoWords } = await import('../lib/cli/up/gateway-args.js');
    checkNoWords(this.words.slice(1));
    checkGatewayArgs(this.passedOn);
    if (this.flags.detach) return this.detach();
    await reporting(this.flags.background, undefined, (parent) => this.stay(parent));
    return undefined;
  }

  private async stay(parent: Parent): Promise<void> {
    const { startUp } = await import('../lib/up/start-up.js');
    const { UpScreen } = await import('../lib/cli/up/up-screen.js');
    const { host, port = 8000, dashboard, 'allow-control': control } = this.flags;
    const { drainTimeout: drainTimeoutMs } = this.settings;
    const { progress, paintError: paint } = this;
    const note = (line: string) => this.note(line);
    const json = this.jsonEnabled();
    const { version } = this.config;
    const screen = await UpScreen.open({ json, version, drainTimeoutMs, progress, paint, note });
    runOnWithoutOutput((problem) => note(`${problem}; infer up continues`));
    const stop = new AbortController();
    const hurry = new AbortController();
    const shutdown = onShutdown({
      drain: (signal) => {
        screen.tell({ event: 'stopping' });
        stop.abort(new Interrupted(signal));
      },
      leave: () => hurry.abort(),
    });
    try {
      const { loaded, passedOn: gatewayArgs } = this;
      const { tell } = screen;
      const env = settingsAsVariables(settingsFromFlags(this.flags));
      const argv = ownWords(this.typed, gatewayArgs);
      const gateway = { host, port, dashboard, control, gatewayArgs, env };
      const options = { loaded, version, argv, ...gateway, tell, hurry: hurry.signal };
      const up = await startUp(options, stop.signal);
      screen.ready(up.ready);
      parent.ready(up.ready);
      if (!json && (!this.layout.tty || this.quiet)) await this.print(up.ready.url);
      await new Promise<void>((resolve) => {
        if (stop.signal.aborted) resolve();
        else stop.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      await up.stop();
      if (up.ready.redis.source === 'embedded') note(REDIS_STAYS);
      if (hurry.signal.aborted) this.endWith(ExitCode.Terminated);
    } finally {
      shutdown.dispose();
      screen.end();
    }
  }

  private async detach(): Promise<UpReady> {
    const { detachUp } = await import('../lib/up/detach-up.js');
    const { startSpinner } = await import('../lib/cli/output/progress.js');
    const spinner = await startSpinner('starting', this.progress);
    const { stateDir, drainTimeout: drainTimeoutMs } = this.settings;
    const argv = ownWords(this.typed, this.passedOn);
    const starting = interruptible((signal) => detachUp(stateDir, argv, signal));
    const { ready, already, log } = await starting.finally(() => spinner.stop());
    const banner = { version: this.config.version, ready, drainTimeoutMs };
    if (already) this.note(`infer up runs already (pid ${ready.pid})`);
    const { paintError: paint } = this;
    for (const line of upBanner(banner, { paint })) this.note(line);
    this.note(`  events in ${log}`);
    this.note(upReadyLine(banner, true, paint));
    if (!this.layout.tty || this.quiet) await this.print(ready.url);
    return ready;
  }

  protected override get streamsJson(): boolean {
    return true;
  }
}
