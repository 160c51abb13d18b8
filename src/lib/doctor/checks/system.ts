import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { runProgram } from '../../core/program.js';
import { formatBytes } from '../../core/units.js';
import { type Check, fail, type Judgement, ok, skip, warn } from '../check.js';

const LEAST_NODE: readonly [number, number] = [20, 19];

export const systemNode: Check = {
  id: 'system-node',
  topic: 'system',
  title: 'Node.js',
  run: () => judgeNode(process.versions.node),
};

export function judgeNode(version: string): Judgement {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor, leastMinor] = LEAST_NODE;
  const found = `${version} on ${process.platform}/${process.arch}`;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return ok(found);
  return fail(
    `${found}: infer needs ${LEAST_NODE.join('.')} or newer`,
    'install Node.js 22: https://nodejs.org, or nvm install 22',
    { blocks: ['CPU workers', 'GPU workers'] },
  );
}

export const systemMemory: Check = {
  id: 'system-memory',
  topic: 'system',
  title: 'free memory',
  run: () => {
    const limit = process.constrainedMemory?.() ?? 0;
    const total = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
    // The first includes memory that the kernel would reclaim, and a container's limit; older Node versions
    // lack it.
    const free = process.availableMemory?.() ?? freemem();
    return judgeFree(Math.min(free, total), total);
  },
};

const LITTLE_SHARE = 0.1;
const LITTLE_BYTES = 512 * 2 ** 20;
const TOO_LITTLE_BYTES = 128 * 2 ** 20;

/** A worker with a small model takes about 200 MB. */
export function judgeFree(free: number, total: number): Judgement {
  const found = `${formatBytes(free)} of ${formatBytes(total)} free`;
  const fix = 'stop what is not needed, or give the machine or container more memory';
  if (free < TOO_LITTLE_BYTES) {
    return fail(`${found}: not enough for a worker`, fix, { blocks: ['CPU workers', 'GPU workers'] });
  }
  return free < LITTLE_BYTES || free < LITTLE_SHARE * total
    ? warn(`${found}: the kernel may end workers or Redis`, fix)
    : ok(found);
}

export const systemDisk: Check = {
  id: 'system-disk',
  topic: 'system',
  title: "disk for infer's own Redis",
  run: async (context) => {
    const { redisUrl, stateDir } = context.loaded.values;
    if (redisUrl !== undefined) return skip('Redis is elsewhere');
    let dir = stateDir;
    while (!existsSync(dir) && dirname(dir) !== dir) dir = dirname(dir);
    const { bavail, bsize, blocks } = await statfs(dir);
    return judgeDisk(stateDir, bavail * bsize, blocks * bsize);
  },
};

const SHORT_BYTES = 2 ** 30;
const FULL_BYTES = 100 * 2 ** 20;

export function judgeDisk(dir: string, free: number, total: number): Judgement {
  const found = `${formatBytes(free)} of ${formatBytes(total)} free for ${dir}`;
  const fix = `free some space, or set INFER_STATE_DIR to a directory of another disk`;
  // Redis refuses writes when its append-only file cannot be written.
  if (free < FULL_BYTES)
    return fail(`${found}: Redis is about to refuse changes`, fix, { blocks: ['submit'] });
  return free < SHORT_BYTES ? warn(found, fix) : ok(found);
}

export const systemFiles: Check = {
  id: 'system-files',
  topic: 'system',
  title: 'open files',
  run: async ({ machine }) => {
    if (process.platform === 'win32') return skip('no such limit on this system');
    const end = await runProgram('/bin/sh', ['-c', 'ulimit -n'], { timeoutMs: 2000, env: machine.env });
    return end.kind === 'ended' ? judgeFiles(end.stdout.trim()) : skip('the shell does not tell the limit');
  },
};

const FEW_FILES = 1024;

/** @param limit output of `ulimit -n`. Each connection takes one, and infer's own Redis needs a thousand. */
export function judgeFiles(limit: string): Judgement {
  if (limit === 'unlimited') return ok('no limit');
  const most = Number(limit);
  if (!Number.isInteger(most)) return skip(`the shell says '${limit}'`);
  const found = `a process may open ${most}`;
  if (most >= FEW_FILES) return ok(found);
  return warn(
    `${found}: few connections, and infer's own Redis takes fewer clients`,
    'ulimit -n 65536 before starting (systemd: LimitNOFILE=65536)',
  );
}
