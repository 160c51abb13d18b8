import type { ProgramOptions } from '../core/program.js';
import type { Gpu } from '../model/gpu-parse.js';
import { discoverGpus } from '../model/gpus.js';

/** nvidia-smi's answer about this machine. */
export type NvidiaAnswer =
  /** At least one. */
  | { kind: 'gpus'; gpus: Gpu[] }
  /** There is no nvidia-smi on the PATH. */
  | { kind: 'absent' }
  /** It runs but gives no answer: the driver hangs. */
  | { kind: 'silent' }
  /** It reports a problem. */
  | { kind: 'broken'; reason: string };

/** Asks nvidia-smi for the GPUs, as a worker does, and for the driver's version. */
export async function askNvidia(options: ProgramOptions): Promise<NvidiaAnswer> {
  const { state, gpus, reason = '' } = await discoverGpus({ ...options, withDriver: true });
  if (state === 'absent') return { kind: 'absent' };
  if (state === 'hung') return { kind: 'silent' };
  if (state === 'failed') return { kind: 'broken', reason: reason.replace(/^nvidia-smi: /, '') };
  return gpus.length > 0 ? { kind: 'gpus', gpus } : { kind: 'broken', reason: 'No devices were found' };
}
