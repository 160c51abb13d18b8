import { basename } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { closestWord } from '../config/suggest.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { openBytes } from '../input/bytes.js';
import { choosePolicy } from './choose-policy.js';
import { type Figures, figuresOf, meanOf } from './report.js';
import { simulate } from './simulate.js';
import type { SimulatePlan } from './simulate-plan.js';
import { Timeline, type TimelineJson } from './timeline.js';
import { parseTrace } from './trace-file.js';
import { HOUR_TRACES, makeTrace, TRACE_NAMES, type Trace, type TraceName, traceAbout } from './traces.js';

const MOST_BYTES = 256 * 1024 * 1024;

/** The documented JSON of `autoscale --simulate`. */
export interface SimulationJson {
  readonly coldStartMs: number;
  /** Mean service time of a job: from a file with service times, else as given. */
  readonly serviceMs: number;
  /** The trace file has service times, which are used. */
  readonly serviceFromTrace: boolean;
  readonly targetWaitMs: number;
  readonly min: number;
  readonly max: number;
  readonly spare: number;
  readonly threshold: number | null;
  readonly intervalMs: number;
  readonly seeds: number;
  readonly traces: {
    readonly trace: string;
    /** Mean over the seeds. */
    readonly policies: {
      readonly policy: string;
      readonly figures: Figures;
      readonly timeline?: TimelineJson;
    }[];
  }[];
  /** Mean over the traces, with equal weights. */
  readonly mean: { readonly policy: string; readonly figures: Figures }[];
}

/**
 * Replays the traces against each policy; all get the same jobs with the same service times.
 * @throws InferError POLICY, USAGE (2), TRACE_* (65), INPUT_* (66).
 */
export async function runSimulation(
  plan: SimulatePlan,
  options: { signal: AbortSignal; step(text: string): void },
): Promise<SimulationJson> {
  const { config, policies, coldStartMs, serviceMs } = plan;
  // Detects a misspelt name before a long run.
  for (const name of policies) choosePolicy(name, config);
  const { names, seeds, make, measuredMs } = await tracesOf(plan, options.signal);
  const traces: SimulationJson['traces'] = [];
  for (const name of names) {
    options.step(TRACE_NAMES.includes(name as TraceName) ? traceAbout(name as TraceName) : printable(name));
    const figures = new Map(policies.map((policy) => [policy, [] as Figures[]]));
    const timelines = new Map<string, TimelineJson>();
    for (let seed = 1; seed <= seeds; seed++) {
      const trace = make(name, seed);
      for (const policy of policies) {
        await nextTurn();
        options.signal.throwIfAborted();
        const timeline = names.length === 1 && seed === 1 ? new Timeline(trace) : undefined;
        const controller = { pool: name, config, policy: choosePolicy(policy, config) };
        const result = simulate(trace, controller, {
          coldStartMs,
          serviceMs,
          seed,
          ...(timeline === undefined ? {} : { onTick: (tick) => timeline.add(tick) }),
        });
        figures.get(policy)?.push(figuresOf(trace, result, config.targetWaitMs));
        if (timeline !== undefined) timelines.set(policy, timeline.json());
      }
    }
    traces.push({
      trace: name,
      policies: policies.map((policy) => {
        const timeline = timelines.get(policy);
        const mean = meanOf(figures.get(policy) ?? []);
        return { policy, figures: mean, ...(timeline === undefined ? {} : { timeline }) };
      }),
    });
  }
  const mean = policies.map((policy, at) => ({
    policy,
    figures: meanOf(traces.map((one) => one.policies[at]?.figures).filter((one) => one !== undefined)),
  }));
  const { min, max, spare, threshold, targetWaitMs, intervalMs } = config;
  return {
    coldStartMs,
    serviceMs: measuredMs ?? serviceMs,
    serviceFromTrace: measuredMs !== null,
    targetWaitMs,
    min,
    max,
    spare,
    threshold,
    intervalMs,
    seeds,
    traces,
    mean,
  };
}

interface Source {
  readonly names: readonly string[];
  readonly seeds: number;
  make(name: string, seed: number): Trace;
  /** Mean of the service times in a file; null if it has none. */
  readonly measuredMs: number | null;
}

async function tracesOf({ source, seeds }: SimulatePlan, signal: AbortSignal): Promise<Source> {
  const made = (names: readonly TraceName[]): Source => ({
    names,
    seeds,
    make: (name, seed) => makeTrace(name as TraceName, seed),
    measuredMs: null,
  });
  if (source === 'all') return made(HOUR_TRACES);
  const builtIn = TRACE_NAMES.find((name) => name === source);
  if (builtIn !== undefined) return made([builtIn]);
  const trace = await readTrace(source, signal);
  // With service times in the file, seeds only vary the cold starts.
  return { names: [trace.name], seeds, make: () => trace, measuredMs: meanService(trace) };
}

function meanService({ serviceMs }: Trace): number | null {
  if (serviceMs === null || serviceMs.length === 0) return null;
  return serviceMs.reduce((sum, one) => sum + one, 0) / serviceMs.length;
}

async function readTrace(source: string, signal: AbortSignal): Promise<Trace> {
  const name = source === '-' ? 'standard input' : basename(source);
  let reader: Awaited<ReturnType<typeof openBytes>>;
  try {
    reader = await openBytes(source === '-' ? { stdin: process.stdin } : { path: source }, signal);
  } catch (error) {
    throw unknownTrace(source, error);
  }
  try {
    return parseTrace((await reader.rest(MOST_BYTES, name)).toString('utf8'), name);
  } finally {
    await reader.close();
  }
}

/** A word that is not a file was most likely meant as the name of a trace. */
function unknownTrace(source: string, error: unknown): unknown {
  if (!(error instanceof InferError) || error.code !== 'INPUT_MISSING' || /[./\\]/.test(source)) return error;
  const near = closestWord(source, [...TRACE_NAMES, 'all']);
  const names = `traces: ${TRACE_NAMES.join(', ')}, all (of an hour), or a CSV file of arrival times`;
  return new InferError('TRACE_UNKNOWN', `'${printable(source)}' is neither a trace nor a file`, {
    hint: near === undefined ? names : `did you mean ${near}? ${names}`,
    cause: error,
  });
}
