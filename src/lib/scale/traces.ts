import { type Random, seededRandom } from '../core/random.js';
import { exponential, gamma, normal } from './draw.js';

/** Jobs to replay. */
export interface Trace {
  readonly name: string;
  /** Time it covers, ms: at least until its last arrival. */
  readonly durationMs: number;
  /** When jobs arrive, ms from the start, in order. */
  readonly arrivals: Float64Array;
  /** Service time of each job on a worker, ms; null: generated during the replay. */
  readonly serviceMs: Float64Array | null;
}

const HOUR = 3600;

interface Generator {
  readonly about: string;
  /** Its duration in seconds. */
  readonly lasts: number;
  /** Arrival times of jobs in seconds, in any order; `load` multiplies every rate. */
  arrivals(random: Random, load: number): number[];
}

/**
 * Kinds of traffic used in published comparisons of autoscalers. With these parameters the usual loop
 * performs about as measured elsewhere (docs/autoscaling.md).
 */
const GENERATORS = {
  steady: {
    about: '5 jobs/s, independent users (Poisson)',
    lasts: HOUR,
    arrivals: (random, load) => poisson(random, 5 * load, 0, HOUR),
  },
  bursty: {
    about: '1 job/s, and bursts of 12 jobs/s for about 100 s (MMPP)',
    lasts: HOUR,
    arrivals: (random, load) =>
      bursts(random, { low: load, high: 12 * load, lowFor: 450, highFor: 100, lasts: HOUR }),
  },
  diurnal: {
    about: 'a day in an hour, from 0.5 to 11.5 jobs/s and back',
    lasts: HOUR,
    arrivals: (random, load) =>
      thinned(random, 11.5 * load, HOUR, (at) => load * (6 - 5.5 * Math.cos((2 * Math.PI * at) / HOUR))),
  },
  flash: {
    about: '1.5 jobs/s, and once 14 jobs/s for 5 minutes',
    lasts: HOUR,
    arrivals: (random, load) => {
      const start = 1500 + 600 * random();
      const rate = (at: number) => load * (at >= start && at < start + 300 ? 14 : 1.5);
      return thinned(random, 14 * load, HOUR, rate);
    },
  },
  dump: {
    about: '0.3 jobs/s, and three times 1,000 jobs at once',
    lasts: HOUR,
    arrivals: (random, load) => [
      ...poisson(random, 0.3 * load, 0, HOUR),
      ...[1200, 2100, 3000].flatMap((from) => {
        const at = from + 300 * random();
        return Array.from({ length: Math.round(1000 * load) }, () => at);
      }),
    ],
  },
  clumped: {
    about: '5 jobs/s in clumps: gamma distributed times between them, CV 4',
    lasts: HOUR,
    arrivals: (random, load) => {
      const times: number[] = [];
      const gap = () => gamma(random, 1 / 16) * (16 / (5 * load));
      for (let at = gap(); at < HOUR; at += gap()) times.push(at);
      return times;
    },
  },
  code: {
    about: 'a code assistant: busy for about 40 s, silent for about 70 s, once 30 jobs/s',
    lasts: HOUR,
    arrivals: assistant,
  },
  chat: {
    about: '5.4 jobs/s, a quarter more or less from minute to minute',
    lasts: HOUR,
    arrivals: (random, load) => {
      const times: number[] = [];
      let drift = 0;
      for (let from = 0; from < HOUR; from += 60) {
        drift = 0.8 * drift + 0.15 * normal(random);
        times.push(...poisson(random, 5.4 * load * Math.exp(drift - 0.03), from, from + 60));
      }
      return times;
    },
  },
  sparse: {
    about: 'six hours of silence, and bursts of 12 jobs/s for about 2 minutes, 15 minutes apart',
    lasts: 6 * HOUR,
    arrivals: (random, load) =>
      bursts(random, { low: 0.02 * load, high: 12 * load, lowFor: 900, highFor: 120, lasts: 6 * HOUR }),
  },
} as const satisfies Record<string, Generator>;

export type TraceName = keyof typeof GENERATORS;
export const TRACE_NAMES = Object.keys(GENERATORS) as TraceName[];
/** Those of one hour: comparisons average over these. */
export const HOUR_TRACES: readonly TraceName[] = TRACE_NAMES.filter((name) => name !== 'sparse');

/** `bursty: 1 job/s, and …`. */
export function traceAbout(name: TraceName): string {
  return `${name}: ${GENERATORS[name].about}`;
}

/** The same seed gives the same trace; `load` multiplies its rates. */
export function makeTrace(name: TraceName, seed: number, load = 1): Trace {
  const { lasts, arrivals } = GENERATORS[name] as Generator;
  const random = seededRandom(seed * 7919 + TRACE_NAMES.indexOf(name));
  const ms = Float64Array.from(arrivals(random, load), (at) => at * 1000).sort();
  return { name, durationMs: lasts * 1000, arrivals: ms, serviceMs: null };
}

function poisson(random: Random, rate: number, from: number, to: number): number[] {
  const times: number[] = [];
  for (let at = from + exponential(random, 1 / rate); at < to; at += exponential(random, 1 / rate)) {
    times.push(at);
  }
  return times;
}

/**
 * Poisson arrivals with a changing rate: those of the highest rate, each kept with the matching probability.
 */
function thinned(random: Random, highest: number, lasts: number, rate: (at: number) => number): number[] {
  return poisson(random, highest, 0, lasts).filter((at) => random() * highest < rate(at));
}

/** Poisson arrivals alternating between a low and a high rate, each for an exponential time. */
function bursts(
  random: Random,
  times: { low: number; high: number; lowFor: number; highFor: number; lasts: number },
): number[] {
  const { low, high, lowFor, highFor, lasts } = times;
  const all: number[] = [];
  let busy = false;
  for (let from = 0; from < lasts; busy = !busy) {
    const to = Math.min(lasts, from + exponential(random, busy ? highFor : lowFor));
    all.push(...poisson(random, busy ? high : low, from, to));
    from = to;
  }
  return all;
}

/** Like a code assistant's: short busy periods of very different rates, silence in between, one rush. */
function assistant(random: Random, load: number): number[] {
  const times: number[] = [];
  const rush = 600 + 2400 * random();
  for (let at = exponential(random, 30); at < HOUR; ) {
    const end = Math.min(HOUR, at + 8 + exponential(random, 34));
    const level = 4.8 * load * Math.exp(0.5 * normal(random));
    for (let from = at; from < end; from += 5) {
      const rate = Math.min(20 * load, level * Math.exp(0.4 * normal(random)));
      times.push(...poisson(random, rate, from, Math.min(end, from + 5)));
    }
    at = end + exponential(random, 72);
  }
  return [...times, ...poisson(random, 30 * load, rush, rush + 15)];
}
