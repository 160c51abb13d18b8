import { setTimeout as delay } from 'node:timers/promises';
import { answerWithin } from '../core/bounded.js';
import { DeploymentReader } from '../deployment/deployment-reader.js';
import { findProblems } from '../deployment/problems.js';
import { readEvents } from '../queue/events/read-events.js';
import type { DeploymentEvent } from '../queue/events/types.js';
import type { RedisClient, RedisTarget } from '../redis/types.js';
import type { Missing, Tell } from './types.js';

const EVERY_MS = 5000;
/** A Redis that does not answer is reported by its connection. */
const PATIENCE_MS = 4000;
/** Codes of problems that the events of the parts say already. */
const OWN = ['NO_WORKERS', 'WORKER_SILENT'];
const MOST_EVENTS = 50;

export interface WatchedDeployment {
  client: RedisClient;
  target: RedisTarget;
  prefix: string;
  /** Whether Redis answers. */
  answers: () => boolean;
  /** Names of its own workers: what becomes of them is told by the crew. */
  own: ReadonlySet<string>;
  tell: Tell;
}

/** Tells of problems that come and go, and of events in the whole deployment. */
export class DeploymentWatch {
  private readonly reader: DeploymentReader;
  private readonly over = new AbortController();
  private readonly shown = new ShownProblems();
  private cursor: string | undefined;
  private looking: Promise<void> = Promise.resolve();

  constructor(private readonly options: WatchedDeployment) {
    const { client, target, prefix } = options;
    this.reader = DeploymentReader.over(client, target, prefix);
  }

  /** The problems now, which are not told again. Empty if Redis does not answer. */
  async first(): Promise<Missing[]> {
    const found = (await this.problems()) ?? [];
    this.shown.begin(found);
    return found;
  }

  start(): void {
    this.looking = this.loop();
  }

  async stop(): Promise<void> {
    this.over.abort();
    await this.looking;
  }

  private async loop(): Promise<void> {
    const { signal } = this.over;
    await this.events();
    while (!signal.aborted) {
      await delay(EVERY_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted || !this.options.answers()) continue;
      await this.look();
    }
  }

  private async look(): Promise<void> {
    for (const event of await this.events()) {
      if (!this.isOwn(event)) {
        const { kind, text, alarm } = event;
        this.options.tell({ event: 'deployment', kind, text, alarm });
      }
    }
    const problems = await this.problems();
    if (problems === undefined || this.over.signal.aborted) return;
    const { came, went } = this.shown.next(problems.filter(({ code }) => !OWN.includes(code)));
    for (const problem of came) this.options.tell({ event: 'problem', ...problem });
    for (const { code, message } of went) this.options.tell({ event: 'solved', code, message });
  }

  /** Undefined while Redis does not answer. */
  private async problems(): Promise<Missing[] | undefined> {
    const read = this.reader.overview({}).then(findProblems);
    return answerWithin(PATIENCE_MS, read, () => undefined, this.over.signal).catch(() => undefined);
  }

  /** Events since the last call; none by the first, which only notes where they end. */
  private async events(): Promise<DeploymentEvent[]> {
    const { client, prefix } = this.options;
    const { cursor } = this;
    const query = cursor === undefined ? { limit: 1 } : { after: cursor, limit: MOST_EVENTS };
    const read = readEvents(client, prefix, query);
    const page = await answerWithin(PATIENCE_MS, read, () => undefined, this.over.signal).catch(
      () => undefined,
    );
    if (page === undefined) return [];
    this.cursor = page.cursor;
    return cursor === undefined ? [] : page.events;
  }

  private isOwn({ subject }: DeploymentEvent): boolean {
    return subject.kind === 'worker' && this.options.own.has(subject.name);
  }
}

/**
 * Which problems have come and gone. One look is not enough: a heartbeat may be late, and a job may have
 * waited for the moment only. Problems are told apart by code and fix, since messages contain counts.
 */
export class ShownProblems {
  private shown = new Map<string, Missing>();
  private before = new Set<string>();

  /** Those that are known from the beginning. */
  begin(problems: readonly Missing[]): void {
    this.shown = byKey(problems);
    this.before = new Set(this.shown.keys());
  }

  next(problems: readonly Missing[]): { came: Missing[]; went: Missing[] } {
    const now = byKey(problems);
    const came = [...now].filter(([key]) => this.before.has(key) && !this.shown.has(key));
    const went = [...this.shown].filter(([key]) => !this.before.has(key) && !now.has(key));
    for (const [key, problem] of came) this.shown.set(key, problem);
    for (const [key] of went) this.shown.delete(key);
    this.before = new Set(now.keys());
    return { came: came.map(([, problem]) => problem), went: went.map(([, problem]) => problem) };
  }
}

function byKey(problems: readonly Missing[]): Map<string, Missing> {
  return new Map(problems.map((problem) => [`${problem.code} ${problem.fix}`, problem]));
}
