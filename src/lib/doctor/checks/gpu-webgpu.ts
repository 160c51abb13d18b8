import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Check, fail, type Judgement, ok, skip } from '../check.js';
import { explainLoad, type LibraryLook, tryLibraries } from '../loader.js';

const VULKAN = 'libvulkan.so.1';
const DRIVER_DIRS = ['usr/share/vulkan/icd.d', 'etc/vulkan/icd.d', 'usr/local/share/vulkan/icd.d'];
const LOADER_MS = 4000;

export const gpuWebgpu: Check = {
  id: 'gpu-webgpu',
  topic: 'gpu',
  title: 'WebGPU (Vulkan)',
  run: async ({ loaded, named, machine }) => {
    if (process.platform !== 'linux')
      return skip(`WebGPU uses the system's own interface on ${process.platform}`);
    const looks = await tryLibraries([VULKAN], { timeoutMs: LOADER_MS, env: machine.env });
    const wanted = loaded.values.provider === 'webgpu' || named.includes('gpu-webgpu');
    return judgeVulkan(looks?.[0], driversIn(machine.root), wanted);
  },
};

/** @param drivers descriptions of Vulkan drivers, by file name. */
export function judgeVulkan(
  look: LibraryLook | undefined,
  drivers: readonly string[],
  wanted: boolean,
): Judgement {
  const absent = (reason: string, fix: string): Judgement =>
    wanted ? fail(reason, fix) : skip(`${reason}; only --provider webgpu needs it`, { fix });
  if (look === undefined) return absent('the loader gives no answer', 'try again');
  if (look.problem !== undefined) {
    return absent(`no Vulkan: ${explainLoad(look)}`, 'sudo apt install libvulkan1 mesa-vulkan-drivers');
  }
  if (drivers.length === 0) {
    return absent(
      `${VULKAN} loads, but no Vulkan driver is installed`,
      'sudo apt install mesa-vulkan-drivers, or the Vulkan part of the NVIDIA driver',
    );
  }
  return ok(`${VULKAN} loads, ${drivers.length === 1 ? 'driver' : 'drivers'} ${drivers.join(', ')}`);
}

function driversIn(root: string): string[] {
  return DRIVER_DIRS.flatMap((dir) => {
    try {
      return readdirSync(join(root, dir)).filter((file) => file.endsWith('.json'));
    } catch {
      return [];
    }
  });
}
