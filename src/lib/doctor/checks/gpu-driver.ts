import { formatBytes } from '../../core/units.js';
import { findDevice, type Gpu } from '../../model/gpu-parse.js';
import type { Check, Judgement } from '../check.js';
import { fail, ok, skip, warn } from '../check.js';
import type { DoctorContext } from '../context.js';
import type { NvidiaAnswer } from '../nvidia.js';

/** Whether a GPU is wanted here: by flag or setting, or because this very check was requested. */
export function gpuWanted({ loaded, named }: Pick<DoctorContext, 'loaded' | 'named'>): boolean {
  const { gpu, requireGpu, provider } = loaded.values;
  const asked = named.some((word) => word === 'gpu' || /^gpu-(?!webgpu)/.test(word));
  return asked || gpu !== undefined || requireGpu || provider === 'cuda' || provider === 'tensorrt';
}

/** Why CUDA cannot be used: a failure if a GPU is wanted, a warning if one is unused. */
export function withoutGpu(
  reason: string,
  fix: string | undefined,
  how: { wanted: boolean; present: boolean; details?: readonly string[] },
): Judgement {
  const extra = {
    blocks: ['GPU workers'] as const,
    ...(how.details === undefined ? {} : { details: how.details }),
  };
  if (how.wanted) return fail(reason, fix, extra);
  return how.present ? warn(reason, fix, extra) : skip(reason, extra);
}

/** The first driver that runs CUDA 12 programs on Linux. */
const LEAST_DRIVER = 525;

const INSTALL_DRIVER =
  'install the NVIDIA driver (Ubuntu: sudo ubuntu-drivers install; Debian: sudo apt install nvidia-driver) and reboot';
const PASS_THROUGH =
  'start the container with --gpus all (Kubernetes: limits nvidia.com/gpu: 1) and the NVIDIA Container Toolkit on the host';

export const gpuDriver: Check = {
  id: 'gpu-driver',
  topic: 'gpu',
  title: 'NVIDIA driver and GPUs',
  run: async (context) =>
    judgeDriver(await context.nvidia(), {
      wanted: gpuWanted(context),
      contained: context.container !== undefined,
      gpu: context.loaded.values.gpu,
    }),
};

export interface DriverQuestion {
  wanted: boolean;
  /** Inside a container, which sees only the GPUs given to it. */
  contained: boolean;
  /** The GPU named in the settings. */
  gpu: string | undefined;
}

export function judgeDriver(answer: NvidiaAnswer, { wanted, contained, gpu }: DriverQuestion): Judgement {
  if (answer.kind === 'absent') {
    return withoutGpu(
      'no NVIDIA GPU: nvidia-smi is not on the PATH; models run on the CPU',
      contained ? PASS_THROUGH : INSTALL_DRIVER,
      { wanted, present: false },
    );
  }
  const present = { wanted, present: true };
  if (answer.kind === 'silent') {
    return withoutGpu(
      'nvidia-smi gives no answer: the driver hangs',
      'reboot the machine; see sudo dmesg | grep -i nvrm',
      present,
    );
  }
  if (answer.kind === 'broken')
    return withoutGpu(`nvidia-smi: ${answer.reason}`, brokenFix(answer.reason, contained), present);
  const [first] = answer.gpus;
  const driver = first?.driver ?? '';
  const major = Number.parseInt(driver, 10);
  if (major < LEAST_DRIVER) {
    return withoutGpu(
      `driver ${driver} is too old: CUDA 12 needs ${LEAST_DRIVER} or newer`,
      contained ? `update the driver of the host; ${INSTALL_DRIVER}` : INSTALL_DRIVER,
      present,
    );
  }
  const lines = answer.gpus.map(gpuLine);
  if (gpu !== undefined && findDevice(answer.gpus, gpu) === undefined) {
    return withoutGpu(
      `there is no GPU ${gpu}: the GPUs here are ${answer.gpus.map((one) => one.index).join(', ')}`,
      `--gpu ${first?.index ?? 0}`,
      {
        ...present,
        details: lines,
      },
    );
  }
  return ok(`driver ${driver}, ${lines.length === 1 ? `GPU ${lines[0]}` : `${lines.length} GPUs`}`, lines);
}

function gpuLine({ index, name, freeBytes, totalBytes, mig }: Gpu): string {
  const memory =
    freeBytes === undefined || totalBytes === undefined
      ? ''
      : `, ${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free`;
  const parts = mig.length === 0 ? '' : `, in ${mig.length} MIG instances`;
  return `${index}: ${name}${memory}${parts}`;
}

function brokenFix(reason: string, contained: boolean): string {
  if (/version mismatch/i.test(reason)) return 'the driver was updated while in use: reboot the machine';
  if (/Unknown Error/i.test(reason) && contained) {
    return 'the container has lost its GPUs (systemctl daemon-reload on the host does that): restart the container';
  }
  if (/couldn't communicate|No devices/i.test(reason)) return contained ? PASS_THROUGH : INSTALL_DRIVER;
  return 'run nvidia-smi and see what it says';
}
