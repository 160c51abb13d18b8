import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { runProgram } from '../core/program.js';
import { formatDuration } from '../core/units.js';
import { type Gpu, gpuFields, parseGpus, parseMigInstances } from './gpu-parse.js';

/** nvidia-smi's report on this host's GPUs. */
export interface GpuReport {
  /**
   * `ok`: it answered, perhaps that there is none. `absent`: it is not installed, so there is no NVIDIA
   * driver. `failed`: it found no GPU and says why. `hung`: it did not answer and was killed.
   */
  state: 'ok' | 'absent' | 'failed' | 'hung';
  /** By index. */
  gpus: Gpu[];
  /** One-line reason when the state is not `ok`. */
  reason?: string;
}

/** A driver under load answers in 20 ms to 1 s; one that takes longer than this does not answer at all. */
const TIMEOUT_MS = 5000;
const REASON_MAX = 200;

export interface GpuQuestion {
  /** For each call of nvidia-smi. */
  timeoutMs?: number | undefined;
  /** One GPU by its UUID. */
  only?: string | undefined;
  /** Include the driver's version. */
  withDriver?: boolean | undefined;
  /** Where to look for nvidia-smi; default: this process's own environment. */
  env?: NodeJS.ProcessEnv | undefined;
}

/**
 * Asks nvidia-smi for this host's GPUs, or for `only` one by its UUID; each call takes at most `timeoutMs`
 * (one call, two if MIG is on). Never throws: no GPU and a broken driver are results too.
 */
export async function discoverGpus(options: GpuQuestion = {}): Promise<GpuReport> {
  const { timeoutMs = TIMEOUT_MS, only, withDriver = false, env } = options;
  const query = (mig: boolean) =>
    ask([...(only === undefined ? [] : ['-i', only]), ...queryOf(mig, withDriver)], timeoutMs, env);
  let withMig = true;
  let answer = await query(withMig);
  if (/is not a valid field/i.test(answer.output)) {
    withMig = false;
    answer = await query(withMig);
  }
  if (answer.end === 'absent') return { state: 'absent', gpus: [], reason: 'nvidia-smi is not installed' };
  if (answer.end === 'hung') return hung(timeoutMs);
  const { gpus, migEnabled } = parseGpus(answer.output, withMig, withDriver);
  if (gpus.length === 0) return nothingFound(answer);
  if (migEnabled) {
    const listing = await ask(['-L'], timeoutMs, env);
    if (listing.end === 'hung') return hung(timeoutMs);
    const instances = parseMigInstances(listing.output);
    for (const gpu of gpus) gpu.mig = instances.get(gpu.uuid) ?? [];
  }
  return { state: 'ok', gpus: gpus.sort((a, b) => a.index - b.index) };
}

/**
 * The GPUs of a report to build a fleet on; none without nvidia-smi.
 * @throws InferError GPU_DISCOVERY (exit 69) when there may be GPUs but the driver does not tell.
 */
export function gpusOf(report: GpuReport): Gpu[] {
  if (report.state === 'ok' || report.state === 'absent') return report.gpus;
  throw new InferError('GPU_DISCOVERY', `the GPUs of this host are not known: ${report.reason}`, {
    hint: 'see what `nvidia-smi` says, or go without GPUs: --gpus none',
  });
}

function queryOf(withMig: boolean, withDriver: boolean): string[] {
  return [`--query-gpu=${gpuFields(withMig, withDriver).join(',')}`, '--format=csv,noheader,nounits'];
}

function hung(timeoutMs: number): GpuReport {
  const reason = `nvidia-smi did not answer within ${formatDuration(timeoutMs)} and was killed`;
  return { state: 'hung', gpus: [], reason };
}

function nothingFound({ end, output }: Answer): GpuReport {
  if (end === 0 || /no devices were found/i.test(output)) return { state: 'ok', gpus: [] };
  const line = output.split('\n').find((one) => one.trim() !== '') ?? `it ended with exit code ${end}`;
  return { state: 'failed', gpus: [], reason: `nvidia-smi: ${printable(line.trim()).slice(0, REASON_MAX)}` };
}

interface Answer {
  /** Its exit code; null when a signal ended it. */
  end: number | null | 'absent' | 'hung';
  output: string;
}

/** Depending on the version, errors appear on standard output or on standard error. */
async function ask(args: string[], timeoutMs: number, env: NodeJS.ProcessEnv | undefined): Promise<Answer> {
  const end = await runProgram('nvidia-smi', args, { timeoutMs, env });
  if (end.kind === 'ended') return { end: end.code, output: end.stdout + end.stderr };
  if (end.kind === 'refused') return { end: null, output: end.message };
  return { end: end.kind === 'absent' ? 'absent' : 'hung', output: '' };
}
