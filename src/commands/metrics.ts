import { Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { durationFlag, manyQueuesFlag, wholeFlag } from '../lib/cli/flags.js';
import type { MetricJson } from '../lib/metrics/exposition.js';

export type MetricsJson = { metrics: MetricJson[] } | { url: string };

/** The Prometheus exporter. */
export default class Metrics extends BaseCommand<typeof Metrics> {
  static override summary = 'serve metrics of queues, workers and Redis to Prometheus';
  static override description =
    `Answers /metrics until stopped; reads Redis only when asked, and a read-only user is enough. While Redis is unreachable it answers with infer_up 0.
/autoscale/<queue> says how many workers the autoscaler's policy wants, for KEDA: {"desiredWorkers": 3, …}.
/healthz says whether it runs, /readyz whether Redis answers. With INFER_METRICS_TOKEN set, all but these two ask for that bearer token.`;
  static override examples = [
    '<%= config.bin %> metrics',
    '<%= config.bin %> metrics --host 0.0.0.0 --port 9464',
    '<%= config.bin %> metrics --once | grep infer_queue_jobs',
  ];
  static override flags = {
    port: wholeFlag({
      min: 0,
      max: 65_535,
      default: 9464,
      description: 'port to listen on; 0 takes a free one',
    }),
    host: Flags.string({
      helpValue: '<address>',
      default: '127.0.0.1',
      description: 'address to listen on; 0.0.0.0 for all',
    }),
    queues: manyQueuesFlag('only these queues [default: all]'),
    timeout: durationFlag({ description: 'longest time to read Redis [default: 4s]' }),
    once: Flags.boolean({ description: 'print the metrics and end' }),
  };

  async run(): Promise<MetricsJson> {
    const { openExporter, serveMetrics } = await import('../lib/serve/serve-metrics.js');
    const { host, port, once, queues, timeout } = this.flags;
    const { version } = this.config;
    const note = (line: string) => this.note(line);
    const exporter = openExporter(this.loaded, { queues, timeoutMs: timeout, once, version, note });
    const { scraper } = exporter;
    try {
      if (!once) {
        const { metricsToken: token } = this.settings;
        const { firstSignal } = await import('../lib/cli/signals.js');
        const warn = (line: string) => this.warn(line);
        return await serveMetrics(exporter, { host, port, token, note, warn, until: firstSignal });
      }
      if (this.jsonEnabled()) return { metrics: await scraper.values() };
      await this.printExact((await scraper.freshText()).trimEnd());
      return { metrics: [] };
    } finally {
      await scraper.close();
    }
  }
}
