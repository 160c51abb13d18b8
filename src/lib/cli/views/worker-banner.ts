import { plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import { oneRowNote } from '../../model/batching.js';
import type { LoadedModel } from '../../model/runner.js';
import type { Skipped } from '../../model/survey.js';
import type { ModelProblem } from '../../queue/types.js';
import { facts, type Layout } from '../output/text.js';
import { tensorText } from './models-view.js';

export interface WorkerBanner {
  name: string;
  version: string;
  /** Address without credentials. */
  redisLabel: string;
  redisSource: string;
  /** In serving order. */
  queues: readonly string[];
  models: readonly LoadedModel[];
  /** Models that should be served but are not. */
  problems: readonly Pick<ModelProblem, 'message' | 'hint'>[];
  /** Things that look like a model but are not. */
  skipped: readonly Pick<Skipped, 'reason' | 'fix'>[];
  gpu: string | null;
  /** A GPU or its provider was requested, so that running on the CPU must be reported. */
  gpuAsked: boolean;
  /** Null: learned from run times. */
  maxBatch: number | null;
  latencyTargetMs: number;
  batchWindowMs: number;
  concurrency: number;
  /** Concurrency is adjusted within these. */
  autoscale?: { min: number; max: number } | undefined;
  threads?: number | undefined;
  /** CPU cores of this machine. */
  cores?: number | undefined;
  drainTimeoutMs: number;
}

/** What a worker prints on standard error once it is ready. */
export function workerBanner(banner: WorkerBanner, { paint }: Pick<Layout, 'paint'>): string[] {
  const own = banner.redisSource === 'embedded' ? " (infer's own)" : '';
  const rows: [string, string][] = [
    ['redis', `${printable(banner.redisLabel)}${own}`],
    ['queues', banner.queues.map(printable).join(', then ')],
    ...banner.models.map((model, at): [string, string] => [at === 0 ? 'models' : '', modelText(model)]),
    ['device', deviceText(banner)],
    ['batches', batchText(banner)],
    ['runs', runsText(banner)],
  ];
  // If no GPU was requested, running on the CPU is expected, not news.
  const reasons = banner.gpuAsked ? banner.models.map((model) => model.fallback) : [];
  const fallbacks = new Set(reasons.filter((reason) => reason !== undefined));
  return [
    `${paint('bold', 'infer worker')} ${paint('bold', printable(banner.name))} ${paint('dim', `v${banner.version}`)}`,
    ...facts(rows, paint).map((line) => `  ${line}`),
    ...[...fallbacks].map((reason) => `${paint('yellow', '!')} not on the GPU: ${printable(reason)}`),
    ...crowded(banner).map((line) => `${paint('yellow', '!')} ${line}`),
    ...modelLines(banner, paint),
    `${paint('green', 'ready')} ${paint('dim', `Ctrl-C finishes the current jobs (${formatDuration(banner.drainTimeoutMs)} at most); a second one exits now`)}`,
  ];
}

/** Problems with models, and warnings about served ones. */
function modelLines({ models, problems, skipped }: WorkerBanner, paint: Layout['paint']): string[] {
  const attempt = (fix: string | null | undefined) =>
    fix === null || fix === undefined ? [] : [`  ${paint('dim', 'Try:')} ${paint('cyan', printable(fix))}`];
  const warnings = models.flatMap(({ signature }) =>
    signature.warnings.map(
      (warning) => `${paint('yellow', '!')} ${printable(`${signature.name}: ${warning}`)}`,
    ),
  );
  return [
    ...warnings,
    ...skipped.flatMap(({ reason, fix }) => [`${paint('yellow', '!')} ${reason}`, ...attempt(fix)]),
    ...problems.flatMap(({ message, hint }) => [
      `${paint('red', '✗')} not served: ${printable(message)}`,
      ...attempt(hint),
    ]),
  ];
}

/** After the first signal. */
export function drainingLine(activeJobs: number, drainTimeoutMs: number): string {
  if (activeJobs === 0) return 'stopping: no job is running';
  return `stopping: finishing ${plural(activeJobs, 'job')}, ${formatDuration(drainTimeoutMs)} at most; Ctrl-C again to exit now`;
}

function modelText({ signature, loadMs }: LoadedModel): string {
  const inputs = signature.inputs.map(tensorText).join(', ');
  const note = oneRowNote(signature.batching);
  const runs = note === undefined ? '' : `  ${note}`;
  return `${printable(`${signature.name}@${signature.version}`)}  ${printable(inputs)}  loaded in ${formatDuration(loadMs)}${runs}`;
}

function deviceText(banner: WorkerBanner): string {
  const devices = [...new Set(banner.models.map((model) => model.device))];
  const used = devices.length === 0 ? 'none until a model is loaded' : devices.map(printable).join(', ');
  return banner.gpu === null ? used : `${used} (GPU ${printable(banner.gpu)} asked for)`;
}

function batchText(banner: WorkerBanner): string {
  const rows =
    banner.maxBatch === null
      ? `as many rows as pay off within ${formatDuration(banner.latencyTargetMs)}`
      : `up to ${plural(banner.maxBatch, 'row')}`;
  const window =
    banner.batchWindowMs > 0
      ? `waiting up to ${formatDuration(banner.batchWindowMs)} for more`
      : 'no waiting';
  return `${rows}, ${window}`;
}

function runsText({ concurrency, autoscale, threads }: WorkerBanner): string {
  const each = threads === undefined ? '' : `, ${plural(threads, 'thread')} each`;
  const moves = autoscale !== undefined && autoscale.min < autoscale.max;
  const many = moves ? `${autoscale.min} to ${autoscale.max}` : concurrency;
  return `${many} at a time${each}`;
}

/** Requested bounds are kept, even if they exceed what the machine can use. */
function crowded({ autoscale, threads = 1, cores }: WorkerBanner): string[] {
  const most = (autoscale?.max ?? 0) * threads;
  if (autoscale === undefined || cores === undefined || most <= cores) return [];
  return [
    `${plural(autoscale.max, 'runner')} of ${plural(threads, 'thread')} on ${plural(cores, 'core')}: they will take turns, each with memory of its own`,
  ];
}
