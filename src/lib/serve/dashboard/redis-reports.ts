import type { LoadedSettings } from '../../config/load.js';
import { readReport } from '../../tune/read-report.js';
import type { RedisPage } from './shapes.js';

/** A report reads settings, samples keys and measures jobs: for all pages one in this time, ms. */
const FRESH_MS = 30_000;

/** What `infer redis-tune` finds. */
export class RedisReports {
  private last: { at: number; page: RedisPage } | undefined;
  private next: Promise<RedisPage> | undefined;

  constructor(private readonly loaded: LoadedSettings) {}

  /**
   * The last report; one that is older than half a minute is made again in the background.
   * @throws InferError REDIS_… (503) if there is none.
   */
  read(): Promise<RedisPage> {
    const { last } = this;
    if (last === undefined) return this.renew();
    if (performance.now() - last.at >= FRESH_MS) void this.renew().catch(() => undefined);
    return Promise.resolve(last.page);
  }

  /** Makes the first report, so that no page waits for it. Never fails. */
  prepare(): void {
    if (this.last === undefined) void this.renew().catch(() => undefined);
  }

  private renew(): Promise<RedisPage> {
    this.next ??= this.report()
      .then((page) => {
        this.last = { at: performance.now(), page };
        return page;
      })
      .finally(() => {
        this.next = undefined;
      });
    return this.next;
  }

  private async report(): Promise<RedisPage> {
    const { redis, provider, worst, nodes } = await readReport(this.loaded, 'broker', undefined);
    return {
      ...redis,
      worst,
      provider: provider === null ? null : { name: provider.name, notes: provider.notes },
      nodes: nodes.map(({ label, usedMemory, maxMemory, findings, room }) => ({
        label,
        usedMemoryBytes: usedMemory,
        maxMemoryBytes: maxMemory,
        findings: findings.map(({ setting, level, now, wanted, why, fix }) => ({
          setting,
          level,
          now,
          wanted,
          why,
          fix: fix ?? null,
        })),
        jobsThatFit: room.jobs ?? null,
      })),
      at: Date.now(),
    };
  }
}
