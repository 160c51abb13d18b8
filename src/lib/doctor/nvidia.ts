import { type CommandOptions, runCommand } from './command.js';

export interface Gpu {
  index: number;
  uuid: string;
  name: string;
  /** MiB; undefined where the driver does not say (`[N/A]`). */
  totalMiB: number | undefined;
  freeMiB: number | undefined;
  driver: string;
}

/** What nvidia-smi says of this machine. */
export type NvidiaAnswer =
  | { kind: 'gpus'; gpus: Gpu[] }
  /** There is no nvidia-smi on the PATH. */
  | { kind: 'absent' }
  /** It runs and gives no answer: the driver hangs. */
  | { kind: 'silent' }
  /** It says that something is wrong. */
  | { kind: 'broken'; reason: string };

const QUERY = 'index,uuid,name,memory.total,memory.free,driver_version';

/** Asks nvidia-smi for the GPUs, within the time limit. */
export async function askNvidia(options: CommandOptions): Promise<NvidiaAnswer> {
  const args = [`--query-gpu=${QUERY}`, '--format=csv,noheader,nounits'];
  const end = await runCommand('nvidia-smi', args, options);
  if (end.kind === 'absent' || end.kind === 'silent') return end;
  if (end.kind === 'refused') return { kind: 'broken', reason: `it cannot be run: ${end.code}` };
  const gpus = parseGpus(end.stdout);
  if (end.code === 0 && gpus.length > 0) return { kind: 'gpus', gpus };
  const said = `${end.stdout}\n${end.stderr}`.split('\n').find((line) => line.trim() !== '');
  return { kind: 'broken', reason: said?.trim().slice(0, 200) ?? `it ended with ${end.code ?? 'a signal'}` };
}

/** Lines of `--format=csv,noheader,nounits`; NVIDIA promises nothing of it, so what is no GPU is left out. */
export function parseGpus(csv: string): Gpu[] {
  return csv.split('\n').flatMap((line) => {
    const [index = '', uuid = '', name = '', total = '', free = '', driver = ''] = line
      .split(',')
      .map((part) => part.trim());
    if (!/^\d+$/.test(index) || driver === '') return [];
    return [
      { index: Number(index), uuid, name, totalMiB: mebibytes(total), freeMiB: mebibytes(free), driver },
    ];
  });
}

function mebibytes(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
