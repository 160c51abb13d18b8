import { setTimeout as delay } from 'node:timers/promises';
import { type Place, runCommand } from './processes.js';

/** What people and scripts watch while a service runs; each in its own process, in turn. */
const COMMANDS: readonly (readonly string[])[] = [
  ['inspect', '--json'],
  ['inspect', 'jobs', '--json'],
  ['inspect', 'workers'],
  ['inspect', 'stats', '--by', 'model'],
  ['inspect', 'failed', '--json'],
  ['inspect', 'queues'],
  ['inspect', 'active', '--json'],
];
const COMMAND_EVERY_MS = 10_000;
const SCRAPE_EVERY_MS = 5000;
const SCRAPE_MS = 10_000;

/** Watches the queues throughout a soak, as their operators do. */
export class Polls {
  /** Failed looks, with their count. */
  readonly failures = new Map<string, number>();
  looks = 0;
  scrapes = 0;
  private readonly stopping = new AbortController();
  private work: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly place: Place,
    private readonly metricsUrl: string,
  ) {}

  start(): void {
    let next = 0;
    const look = async (): Promise<void> => {
      const command = COMMANDS[next++ % COMMANDS.length] as readonly string[];
      const failure = await runCommand(this.place, command);
      this.looks += 1;
      if (failure !== undefined) this.fail(failure);
    };
    this.work = Promise.all([
      this.every(COMMAND_EVERY_MS, look),
      this.every(SCRAPE_EVERY_MS, () => this.scrape()),
    ]);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.work;
  }

  private async every(ms: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await work();
      await delay(ms, undefined, { signal }).catch(() => undefined);
    }
  }

  private async scrape(): Promise<void> {
    try {
      const answer = await fetch(this.metricsUrl, { signal: AbortSignal.timeout(SCRAPE_MS) });
      const text = await answer.text();
      if (!/^infer_up 1$/m.test(text)) this.fail(`metrics: ${answer.status} ${text.slice(0, 100)}`);
      else this.scrapes += 1;
    } catch (error) {
      this.fail(`metrics: ${error instanceof Error ? error.message : error}`);
    }
  }

  private fail(what: string): void {
    this.failures.set(what, (this.failures.get(what) ?? 0) + 1);
  }
}
