import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isLocal, readServerHost } from '../../../src/lib/tune/server-host.js';

const GB = 1024 ** 3;
const INFO = new Map([['total_system_memory', String(8 * GB)]]);
let root = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'infer-host-'));
  put('proc/42/comm', 'redis-server\n');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}

it('the memory limit is the tightest of the cgroups above the server (version 2)', () => {
  put('proc/42/cgroup', '0::/system.slice/redis.service\n');
  put('sys/fs/cgroup/system.slice/redis.service/memory.max', 'max\n');
  put('sys/fs/cgroup/system.slice/memory.max', `${2 * GB}\n`);
  expect(readServerHost(INFO, true, 42, root).memory).toEqual({ bytes: 2 * GB, source: 'cgroup' });
});

it('the memory limit of cgroup version 1 treats its huge default as none', () => {
  put('proc/42/cgroup', '5:cpu:/a\n4:memory:/docker/x\n');
  put('sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes', '9223372036854771712\n');
  expect(readServerHost(INFO, true, 42, root).memory).toEqual({ bytes: 8 * GB, source: 'host' });
  put('sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes', `${GB}\n`);
  expect(readServerHost(INFO, true, 42, root).memory).toEqual({ bytes: GB, source: 'cgroup' });
});

it('kernel settings are read only for a server on this machine', () => {
  put('proc/sys/vm/overcommit_memory', '0\n');
  put('sys/kernel/mm/transparent_hugepage/enabled', '[always] madvise never\n');
  put('proc/meminfo', 'MemTotal: 1 kB\nSwapTotal:     1024 kB\n');
  const settings = { overcommit: 0, hugePages: 'always', swap: 2 ** 20 };
  expect(readServerHost(INFO, true, 42, root).settings).toEqual(settings);
  expect(readServerHost(INFO, false, 42, root).settings).toBeUndefined();
  // The pid reported by a server in a container is another program's here.
  put('proc/42/comm', 'systemd\n');
  expect(readServerHost(INFO, true, 42, root)).toEqual({
    memory: { bytes: 8 * GB, source: 'host' },
    settings: undefined,
  });
});

it('unknown facts about the host are left undefined', () => {
  expect(readServerHost(new Map(), false, undefined, root)).toEqual({
    memory: undefined,
    settings: undefined,
  });
});

it('local addresses are recognised', () => {
  const at = (...hosts: string[]) => isLocal(hosts.map((host) => ({ host })));
  expect([at(), at('127.0.0.1'), at('localhost', '::1'), at('redis'), at('127.0.0.1', 'redis')]).toEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});
