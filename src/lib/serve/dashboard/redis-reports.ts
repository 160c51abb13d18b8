import type { LoadedSettings } from '../../config/load.js';
import { readReport } from '../../tune/read-report.js';
import type { RedisPage } from './shapes.js';

/** A report reads settings, samples keys and measures jobs: once in this time for all pages, ms. */
const FRESH_MS = 30_000;

/** What `infer redis-tune` finds. */
export class RedisReports {
  private last: { at: number; page: Promise<RedisPage> } | undefined;

  constructor(private readonly loaded: LoadedSettings) {}

  /** @throws InferError REDIS_… (503). */
  read(): Promise<RedisPage> {
    const { last } = this;
    if (last !== undefined && performance.now() - last.at < FRESH_MS) return last.page;
    const page = this.report();
    this.last = { at: performance.now(), page };
    page.catch(() => {
      this.last = undefined;
    });
    return page;
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
