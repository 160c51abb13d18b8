import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { installOne, linesToType, managerFor, onPath, privilegeOf } from './packages.mjs';
import { SetupError, say } from './say.mjs';

const SERVERS = ['redis-server', 'valkey-server'];

/** By package manager. Package names differ by release: the first that installs is used. */
const PACKAGES = {
  'apt-get': ['redis-server'],
  apk: ['redis', 'valkey'],
  dnf: ['redis', 'valkey'],
  yum: ['redis', 'valkey'],
  brew: ['redis'],
};

/** Ensures that a server program is available for infer to start; starts none. */
export function ensureRedis() {
  const found = findServer();
  if (found) return say(`${found} found`);

  const manager = managerFor(PACKAGES);
  if (!manager) throw new SetupError('redis-server is not installed: get it from https://redis.io/downloads');
  const { command } = manager;
  const prefix = privilegeOf(manager);
  if (prefix === undefined) {
    throw new SetupError(
      `redis-server is not installed, and installing it with ${command} needs root. Type\n${linesToType(manager, PACKAGES[command][0])}\nand try again.`,
    );
  }
  say(`installing redis-server with ${command} ...`);
  installOne(manager, PACKAGES[command], prefix);
  stopService(prefix);

  const installed = findServer();
  if (!installed)
    throw new SetupError('The Redis package was installed, but no redis-server is on the PATH.');
  say(`${installed} installed`);
}

/** "redis-server 7.0.15", or undefined. */
function findServer() {
  for (const server of SERVERS) {
    if (!onPath(server)) continue;
    const { stdout } = spawnSync(server, ['--version'], { encoding: 'utf8' });
    const version = /\bv=(\S+)/.exec(stdout ?? '')?.[1];
    if (version) return `${server} ${version}`;
  }
  return undefined;
}

/** Debian starts a service on port 6379 with the package. infer starts its own server, so nothing is left running. */
function stopService(prefix) {
  const byHand = '/etc/init.d/redis-server';
  const step = existsSync('/run/systemd/system')
    ? ['systemctl', 'disable', '--now', 'redis-server']
    : existsSync(byHand) && [byHand, 'stop'];
  if (!step) return;
  const [command, ...args] = [...prefix, ...step];
  spawnSync(command, args, { stdio: 'ignore' });
}
