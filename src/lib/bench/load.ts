import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { settledWithin } from '../core/bounded.js';
import { poissonArrivals, type Random } from '../core/random.js';
import { type Figures, meanBatch, type ScenarioName, Tally } from './figures.js';
import type { Outcome, Target } from './target.js';

/**
 * Accuracy of a timer, early or late: an arrival sent within it counts from its sending, a later one from
 * when it should have been sent.
 */
const TIMER_MS = 1;
/** Minimum wait for answers after an open loop's last arrival. */
const GRACE_MS = 2000;
/** If answers are slower than this share of the requests, the rate was not kept up. */
const KEPT_UP = 0.95;
/** Pause between two urgent requests during a batch: a web page, not a second flood. */
const PAUSE_MS = 5;

/** Keeps `concurrency` requests in progress for `durationMs`. */
export async function closedLoop(
  target: Target,
  options: { concurrency: number; durationMs: number; signal: AbortSignal },
): Promise<Figures> {
  const { concurrency, durationMs, signal } = options;
  const tally = new Tally();
  const before = await target.work();
  const started = performance.now();
  let row = 0;
  const lane = async () => {
    do {
      signal.throwIfAborted();
      tally.add(await target.run(row++, false));
      // Each runs at least once: otherwise there would be fewer at a time on a machine that stalls.
    } while (performance.now() - started < durationMs);
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  const ms = performance.now() - started;
  const mean = meanBatch(before, await target.work());
  const load = concurrency === 1 ? 'one at a time' : `${concurrency} at a time`;
  return tally.figures(
    { scenario: 'idle', load, concurrency },
    { rows: tally.count, ms, of: 'rows', meanBatch: mean },
  );
}

/**
 * Rows queued and then processed. If work can be held, nothing starts before the last is queued and time runs
 * from there; otherwise from the first, including queueing.
 */
export async function backlog(
  target: Target,
  options: { scenario: ScenarioName; kind: 'singles' | 'group'; rows: number; signal: AbortSignal },
): Promise<Figures> {
  const { scenario, kind, rows, signal } = options;
  const before = await target.work();
  const queueing = performance.now();
  const release = await target.hold?.();
  const queued = await target.queueRows(kind, rows);
  const started = release === undefined ? queueing : performance.now();
  const releasedAt = release === undefined ? undefined : Date.now();
  await release?.();
  await queued.ended;
  const ms = performance.now() - started;
  signal.throwIfAborted();
  const tally = tallyOf(await queued.outcomes(), releasedAt);
  const mean = meanBatch(before, await target.work());
  const what = kind === 'singles' ? 'single rows' : `rows in ${number(queued.jobs)} chunks`;
  return tally.figures(
    { scenario, load: `${number(rows)} ${what}` },
    { rows, ms, of: kind === 'singles' ? 'rows' : 'chunks', meanBatch: mean },
  );
}

/** Urgent rows, one at a time, as long as a batch of `rows` rows is being processed: both figures. */
export async function duringBatch(
  target: Target,
  options: { rows: number; signal: AbortSignal },
): Promise<[urgent: Figures, batch: Figures]> {
  const { rows, signal } = options;
  const before = await target.work();
  const release = await target.hold?.();
  const started = release === undefined ? performance.now() : undefined;
  const queued = await target.queueRows('group', rows);
  const releasedAt = release === undefined ? undefined : Date.now();
  await release?.();
  const urgent = new Tally();
  const from = performance.now();
  let over = false;
  const batchEnd = queued.ended.then(() => {
    over = true;
    return performance.now();
  });
  const ask = async () => {
    for (let row = 0; !over; row++) {
      signal.throwIfAborted();
      const outcome = await target.run(row, true);
      // A request answered after the batch had ended ran alone.
      if (!over) urgent.add(outcome);
      await delay(PAUSE_MS, undefined, { signal });
    }
  };
  const [endedAt] = await Promise.all([batchEnd, ask()]);
  const batch = tallyOf(await queued.outcomes(), releasedAt);
  const mean = meanBatch(before, await target.work());
  return [
    urgent.figures(
      { scenario: 'mixed', load: 'priority 9 during a batch' },
      { rows: urgent.count, ms: endedAt - from, of: 'rows', meanBatch: mean },
    ),
    batch.figures(
      { scenario: 'mixed', load: `the batch of ${number(rows)}` },
      { rows, ms: endedAt - (started ?? from), of: 'chunks', meanBatch: mean },
    ),
  ];
}

/** Outcomes minus the time they were held. @param releasedAt ms since the epoch. */
function tallyOf(outcomes: readonly Outcome[], releasedAt: number | undefined): Tally {
  const tally = new Tally();
  for (const outcome of outcomes) {
    const heldMs = Math.max(0, (releasedAt ?? 0) - (outcome.queuedAt ?? Number.POSITIVE_INFINITY));
    const queueMs = Math.max(0, outcome.queueMs - heldMs);
    tally.add({ ...outcome, queueMs, totalMs: Math.max(0, outcome.totalMs - heldMs) });
  }
  return tally;
}

/**
 * Requests at Poisson arrivals that do not wait for answers. Latency counts from when a request
 * should have been sent, so neither a slow system nor a busy load generator hides time.
 */
export async function openLoop(
  target: Target,
  options: { rate: number; durationMs: number; random: Random; signal: AbortSignal },
): Promise<Figures> {
  const { rate, durationMs, random, signal } = options;
  const tally = new Tally();
  const before = await target.work();
  const underWay = new Map<number, { dueAt: number; done: Promise<void> }>();
  const started = performance.now();
  let sent = 0;
  let lastAnswer = started;
  let broken: { error: unknown } | undefined;
  const send = (row: number, due: number) => {
    const now = performance.now();
    const lateMs = now - due;
    const dueAt = lateMs <= TIMER_MS ? now : due;
    const done = target
      .run(row, false)
      .then((outcome) => {
        if (!underWay.delete(row)) return;
        lastAnswer = performance.now();
        tally.add({ ...outcome, totalMs: lastAnswer - dueAt });
      })
      .catch((error: unknown) => {
        broken ??= { error };
      });
    underWay.set(row, { dueAt, done });
  };
  for (const at of poissonArrivals(rate, durationMs, random)) {
    await until(started + at);
    signal.throwIfAborted();
    if (broken !== undefined) throw broken.error;
    send(sent++, started + at);
  }
  const windowMs = Math.max(durationMs, performance.now() - started);
  const answered = Promise.all([...underWay.values()].map((one) => one.done));
  await settledWithin(Math.max(GRACE_MS, durationMs), answered, signal);
  signal.throwIfAborted();
  if (broken !== undefined) throw broken.error;
  const answers = tally.count;
  const now = performance.now();
  // Still unanswered: counted as at least this slow.
  for (const { dueAt } of underWay.values()) {
    tally.add({ ok: false, error: 'UNANSWERED', queueMs: now - dueAt, runMs: 0, totalMs: now - dueAt });
  }
  const unanswered = underWay.size;
  underWay.clear();
  const ms = unanswered > 0 ? now - started : Math.max(lastAnswer - started, windowMs);
  const keptUp =
    unanswered === 0 && answers / Math.max(lastAnswer - started, 1) >= KEPT_UP * (sent / windowMs);
  const mean = meanBatch(before, await target.work());
  return tally.figures(
    { scenario: 'sweep', load: `${number(rate)} a second`, rate, keptUp },
    { rows: answers, ms, of: 'rows', meanBatch: mean },
  );
}

/** Sleeps until within a timer's accuracy of `at`; always lets answers in, even when late. */
async function until(at: number): Promise<void> {
  const waitMs = at - performance.now();
  if (waitMs >= TIMER_MS) await delay(Math.floor(waitMs));
  else await nextTurn();
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
