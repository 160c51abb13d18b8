import { type Arrivals, arrivalRate, countArrivals, NO_ARRIVALS } from './arrivals.js';
import { keepFor, type Level, needed } from './keep-warm.js';
import type { QueueFacts } from './observation.js';
import type { Fleet, Plan, Policy, PolicyConfig } from './policy.js';
import { formatRate, formatSeconds } from './reason.js';
import { measureService, NO_SERVICE, type ServiceRate } from './service-rate.js';

/** Share of the target that the predicted wait may reach before something is done. */
const MARGIN = 0.5;
/** Maximum planned utilisation of a fleet. */
const FULLEST = 0.9;
/** Exponent of e: a wait over the target should occur in fewer than 1 of 20 cases, whatever the clumps. */
const TAIL = 3;
/** Service times vary too: approximate square of their coefficient of variation. */
const SERVICE_SPREAD = 0.1;
/** Rates below this many jobs per second count as zero. */
const SILENCE = 0.01;
/**
 * A cold start is long when it takes more than this many targets: workers started during a surge come too
 * late for it.
 */
const LONG = 3;
/**
 * With a long cold start, spares must serve a surge of this many workers' worth until others are ready: at 60
 * s and a target of 10 s, two spares for one needed worker, one for two to four.
 */
const SURGE = 1.4;
/**
 * Such spares cover the surge itself: it counts as a sign of more to come only beyond this many standard
 * deviations of chance.
 */
const SPARE_DOUBT = 1.75;
const LEAST_PAUSE_MS = 10_000;
const LAST_WORKER_MS = 120_000;
const LAST_WORKER_COLD_STARTS = 6;

interface PredictiveState {
  readonly arrivals: Arrivals;
  readonly service: ServiceRate;
  /** When the first worker, the second, … was needed. */
  readonly levels: readonly Level[];
  /** When a worker was last drained, ms since the epoch. */
  readonly stoppedAt: number | null;
}

/** The figures at one look. */
interface Outlook {
  /** Jobs that are waiting, or due before a worker started now is ready. */
  readonly backlog: number;
  /** Jobs per second: arriving, and processed per worker. */
  readonly rate: number;
  readonly perWorker: number;
  /** Why more workers are wanted; null when they are not. */
  readonly trip: string | null;
  /** Number of workers that clear the backlog in time. */
  readonly size: number;
  /** Number of workers that keep the wait short from then on. */
  readonly steady: number;
  /** Number of workers kept, including spares. */
  readonly kept: number;
}

/**
 * Starts workers according to the predicted wait, before any job has waited too long; stops one worker at a
 * time, when the history of its use says that it will not be needed for a while.
 */
export function predictivePolicy(config: PolicyConfig): Policy<PredictiveState> {
  return {
    name: 'predictive',
    initial: () => ({ arrivals: NO_ARRIVALS, service: NO_SERVICE, levels: [], stoppedAt: null }),
    plan: (before, now, queue, fleet) => {
      const arrivals = countArrivals(before.arrivals, queue);
      const service = measureService(before.service, queue, fleet);
      const outlook = look(config, now, queue, fleet, arrivals, service.rate);
      const need = Math.min(config.max, needOf(outlook, queue, fleet));
      // Assume that workers running at the first look are needed.
      const seen = before.levels.length === 0 ? Math.min(config.max, fleet.committed) : 0;
      const levels = needed(before.levels, Math.max(need, seen), now, config.max);
      const state = { arrivals, service, levels, stoppedAt: before.stoppedAt };
      return choose(config, state, now, fleet, outlook, need);
    },
  };
}

function look(
  config: PolicyConfig,
  now: number,
  queue: QueueFacts,
  fleet: Fleet,
  arrivals: Arrivals,
  perWorker: number,
): Outlook {
  if (queue.paused) return { backlog: 0, rate: 0, perWorker, trip: null, size: 0, steady: 0, kept: 0 };
  const target = config.targetWaitMs / 1000;
  const coldStart = fleet.coldStartMs / 1000;
  const backlog = queue.waiting + queue.dueDelayed;
  const rate = arrivalRate(arrivals);
  const etas = fleet.startingSince.map((since) => Math.max(0, (since + fleet.coldStartMs - now) / 1000));
  const wait = predictedWait(backlog, fleet.ready, perWorker, etas);
  const trip = tripOf(config, backlog, wait, (queue.oldestMs ?? 0) / 1000);
  // The backlog left when a worker started now is ready, and how many workers clear it in time.
  const spared = etas.reduce((sum, eta) => sum + Math.max(0, coldStart - eta), fleet.ready * coldStart);
  const left = Math.max(0, backlog + rate * coldStart - spared * perWorker);
  const drainIn = Math.max(target, coldStart / 2);
  const size = Math.max(1, ceil(left / (perWorker * drainIn) + rate / perWorker));
  const steady = steadyNeed(arrivals, perWorker, target);
  const beyond = config.threshold !== null && backlog > config.threshold && etas.length === 0;
  return {
    backlog,
    rate,
    perWorker,
    trip,
    size: beyond ? Math.max(size, fleet.committed + 1) : size,
    steady,
    kept: keptOf(config, fleet, arrivals, perWorker, steady),
  };
}

/** Seconds until a job that arrives now is started, by present and starting workers. */
function predictedWait(backlog: number, ready: number, perWorker: number, etas: readonly number[]): number {
  if (backlog <= 0) return 0;
  let left = backlog;
  let workers = ready;
  let at = 0;
  for (const eta of [...etas].sort((a, b) => a - b)) {
    const served = workers * perWorker * (eta - at);
    if (served >= left) break;
    left -= served;
    at = eta;
    workers += 1;
  }
  return workers === 0 ? Number.POSITIVE_INFINITY : at + left / (workers * perWorker);
}

function tripOf(
  { targetWaitMs, threshold }: PolicyConfig,
  backlog: number,
  wait: number,
  oldest: number,
): string | null {
  const target = targetWaitMs / 1000;
  const limit = MARGIN * target;
  const over = (seconds: number) =>
    seconds > target ? `> ${formatSeconds(target)}` : `> ${formatSeconds(limit)}, half the target`;
  if (wait === Number.POSITIVE_INFINITY) return 'jobs are waiting and no worker serves them';
  if (wait > limit) return `predicted wait ${formatSeconds(wait)} ${over(wait)}`;
  if (oldest > limit) return `the oldest job waits ${formatSeconds(oldest)} ${over(oldest)}`;
  if (threshold !== null && backlog > threshold) return `${backlog} waiting > --threshold ${threshold}`;
  return null;
}

/**
 * Number of workers that keeps waits over the target rare: in heavy traffic their probability falls as exp(-2
 * x spare rate x target / variability), which is solved for the spare rate.
 */
function steadyNeed({ slow, dispersion }: Arrivals, perWorker: number, target: number): number {
  if (slow < SILENCE) return 0;
  const room = (TAIL * (dispersion + SERVICE_SPREAD)) / (2 * target);
  return ceil(Math.max(slow + Math.min(slow, room), slow / FULLEST) / perWorker);
}

/**
 * Number of workers needed at this look, to be remembered. While jobs wait too long, no worker is
 * superfluous.
 */
function needOf(outlook: Outlook, queue: QueueFacts, fleet: Fleet): number {
  const work = !queue.paused && outlook.backlog + queue.active > 0 ? 1 : 0;
  return Math.max(work, outlook.kept, outlook.trip === null ? 0 : Math.max(outlook.size, fleet.committed));
}

/**
 * Number of workers kept when no wait requires more. Spares are added to the need, even that of a surge just
 * detected. With a long cold start L they must serve a surge within the target T: the backlog that builds up
 * until others are ready is cleared in time if (needed + surge) x L <= kept x (L + T).
 */
function keptOf(
  config: PolicyConfig,
  fleet: Fleet,
  arrivals: Arrivals,
  perWorker: number,
  steady: number,
): number {
  const { spare, targetWaitMs } = config;
  const forSurge = spare > 0 && isLong(config, fleet);
  const rate = arrivalRate(arrivals, forSurge ? SPARE_DOUBT : undefined);
  if (rate < SILENCE) return 0;
  const load = ceil(rate / perWorker);
  if (!forSurge) return Math.max(steady, load) + spare;
  const surge = ((load + SURGE * spare) * fleet.coldStartMs) / (fleet.coldStartMs + targetWaitMs);
  return Math.max(steady, load + spare, ceil(surge));
}

function isLong({ targetWaitMs }: PolicyConfig, { coldStartMs }: Fleet): boolean {
  return coldStartMs > LONG * targetWaitMs;
}

function choose(
  config: PolicyConfig,
  state: PredictiveState,
  now: number,
  fleet: Fleet,
  outlook: Outlook,
  need: number,
): Plan<PredictiveState> {
  const { committed, coldStartMs } = fleet;
  const { backlog, rate, perWorker, trip } = outlook;
  const facts =
    `(backlog ${backlog}, ${formatRate(rate)} jobs/s in, ${formatRate(perWorker)} jobs/s a worker, ` +
    `cold start ${formatSeconds(coldStartMs / 1000)})`;
  const stay = (because: string): Plan<PredictiveState> => ({
    state,
    wanted: committed,
    because: `${because} ${facts}`,
  });
  const up = Math.max(trip === null ? 0 : outlook.size, outlook.steady, config.spare > 0 ? outlook.kept : 0);
  if (up > committed) {
    const because = trip ?? (config.spare > 0 ? `${up} needed with what is to spare` : `${up} needed`);
    return { state, wanted: up, because: `${because} ${facts}` };
  }
  if (trip !== null) {
    const starting = fleet.startingSince.length > 0;
    return stay(
      `${trip}; ${starting ? 'the workers that are starting are enough' : 'it will be over before a new worker is ready'}`,
    );
  }
  if (need >= committed || committed <= config.min) return stay('enough');
  const level = state.levels[committed - 1];
  const spares = config.spare === 0 ? 'none' : isLong(config, fleet) ? 'surge' : 'one';
  const last = committed === 1 ? Math.max(LAST_WORKER_MS, LAST_WORKER_COLD_STARTS * coldStartMs) : 0;
  if (level !== undefined && level.neededAt !== null) {
    const left = level.neededAt + Math.max(last, keepFor(level, coldStartMs, spares)) - now;
    if (left > 0)
      return stay(`${need} of ${committed} needed; the rest stay for another ${formatSeconds(left / 1000)}`);
  }
  const pause = Math.max(LEAST_PAUSE_MS, coldStartMs / 2);
  if (state.stoppedAt !== null && now - state.stoppedAt < pause) {
    return stay(`${need} needed, one was drained ${formatSeconds((now - state.stoppedAt) / 1000)} ago`);
  }
  const because = `${need} needed, ${gapText(level, now)}`;
  const drained = { ...state, stoppedAt: now };
  return { state: drained, undrained: state, wanted: committed - 1, because: `${because} ${facts}` };
}

function gapText(level: Level | undefined, now: number): string {
  if (level === undefined || level.neededAt === null) return 'more were never needed';
  return `more were last needed ${formatSeconds((now - level.neededAt) / 1000)} ago`;
}

/** Rates are measured: slightly more than an integer number of workers is that number. */
function ceil(value: number): number {
  return Math.ceil(value - 1e-6);
}
