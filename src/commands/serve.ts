import { Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { bytesFlag, durationFlag, SEVERAL, settingFlag, settingFlags, wholeFlag } from '../lib/cli/flags.js';
import { outliveRejections } from '../lib/cli/outlive-rejections.js';
import { endAsTold, type Parent, reporting } from '../lib/cli/parent.js';
import {
  addressFlags,
  checkBasePath,
  checkHostName,
  checkOrigin,
  gatewayLimits,
  tlsFiles,
} from '../lib/cli/serve-flags.js';
import { untilDrained } from '../lib/cli/until-drained.js';
import { serveBanner } from '../lib/cli/views/serve-banner.js';
import { ExitCode } from '../lib/core/exit-codes.js';

/** The HTTP gateway. */
export default class Serve extends BaseCommand<typeof Serve> {
  static override summary = 'serve models over HTTP';
  static override description =
    `Accepts work over HTTP, queues it, and responds with the result or with an id. Any number of gateways can serve one Redis.
On 127.0.0.1 no token is needed. An address that other machines can reach needs a token file, which infer token create writes.
The first Ctrl-C (or SIGTERM) refuses new work and answers open requests; a second one exits immediately.`;
  static override examples = [
    '<%= config.bin %> serve',
    '<%= config.bin %> serve --port 8080 --max-waiting 10000 --max-body 16mb',
    '<%= config.bin %> serve --host 0.0.0.0 --token-file tokens.json --server-name infer.example.com',
    '<%= config.bin %> serve --dashboard',
    '<%= config.bin %> serve --cors https://app.example.com --base-path /infer',
  ];
  static override flags = {
    ...settingFlags('modelsDir', 'tokenFile', 'logLevel'),
    'drain-timeout': settingFlag('drainTimeout', {
      description: 'how long open requests may take when it stops [default: 30s; env: INFER_DRAIN_TIMEOUT]',
    }),
    ...addressFlags(8000),
    'max-body': bytesFlag({ description: 'maximum size of a body [default: 64mb]' }),
    'max-bodies': bytesFlag({
      description:
        'maximum bytes of request bodies, and of large results, in memory [default: 64mb, or --max-body if that is more]',
    }),
    'max-wait': durationFlag({ description: 'longest wait for a result in one request [default: 60s]' }),
    'max-waiting': wholeFlag({
      min: 1,
      description: 'maximum number of waiting jobs in a queue; more are refused [default: no limit]',
    }),
    'max-open': wholeFlag({
      min: 1,
      max: 10_000,
      description: 'maximum number of open event streams and waits [default: 8000]',
    }),
    cors: Flags.string({
      ...SEVERAL,
      helpValue: '<origin>',
      description:
        'origin whose web pages may call it, such as https://app.example.com; * for all; repeat for more',
    }),
    'require-model': Flags.string({
      ...SEVERAL,
      helpValue: '<name>',
      description: 'model that a worker must serve before /readyz reports ready; repeat for more',
    }),
    'allow-control': Flags.boolean({ default: false, description: 'let callers control queues and workers' }),
    dashboard: Flags.boolean({ description: 'serve the dashboard too, at /dashboard' }),
    'tls-cert': Flags.string({
      helpValue: '<file>',
      dependsOn: ['tls-key'],
      description: 'PEM file of the certificate and its chain, for HTTPS',
    }),
    'tls-key': Flags.string({
      helpValue: '<file>',
      dependsOn: ['tls-cert'],
      description: 'PEM file of the private key of the certificate',
    }),
    supervised: Flags.boolean({ hidden: true, description: 'reports to infer up, and ends with it' }),
  };

  run(): Promise<{ url: string }> {
    return reporting(this.flags.supervised, endAsTold, (parent) => this.serve(parent));
  }

  private async serve(parent: Parent): Promise<{ url: string }> {
    const { startGateway } = await import('../lib/serve/serve-gateway.js');
    const { modelsToShow } = await import('../lib/serve/gateway/start-lines.js');
    const { createLogger } = await import('../lib/telemetry/logger.js');
    const { host, port = 8000 } = this.flags;
    const tls = tlsFiles(this.flags);
    const { drainTimeout, tokenFile } = this.settings;
    const log = createLogger({ level: this.settings.logLevel, color: !this.settings.noColor });
    outliveRejections(log);
    const limits = gatewayLimits(this.flags);
    const running = await startGateway({
      loaded: this.loaded,
      host,
      port,
      basePath: checkBasePath(this.flags['base-path']),
      limits,
      control: this.flags['allow-control'],
      dashboard: this.flags.dashboard,
      tokenFile,
      origins: (this.flags.cors ?? []).map(checkOrigin),
      serverNames: (this.flags['server-name'] ?? []).map(checkHostName),
      tls,
      requiredModels: this.flags['require-model'] ?? [],
      version: this.config.version,
      log,
    });
    const ended = untilDrained(running, drainTimeout, (line) => this.note(line));
    const { target } = running.gateway.client;
    const banner = {
      version: this.config.version,
      url: running.url,
      redisLabel: target.label,
      redisSource: target.source,
      tokens: running.tokens,
      tokenFile,
      ...limits,
      drainTimeoutMs: drainTimeout,
      control: this.flags['allow-control'],
      dashboard: this.flags.dashboard,
      models: await modelsToShow(running.gateway),
    };
    parent.ready({ url: running.url, tokens: running.tokens ?? null });
    for (const line of serveBanner(banner, { paint: this.paintError })) this.note(line);
    if ((await ended) === 'left') this.endWith(ExitCode.Terminated);
    return { url: running.url };
  }
}
