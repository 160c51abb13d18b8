import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { quietly, SetupError, say } from './say.mjs';

const SERVERS = ['redis-server', 'valkey-server'];

/** In search order. Package names differ by release: the first that installs is used. */
const MANAGERS = [
  {
    command: 'apt-get',
    prepare: ['update', '-q'],
    install: ['install', '-y', '-q', '--no-install-recommends'],
    packages: ['redis-server'],
  },
  { command: 'apk', install: ['add', '--no-cache'], packages: ['redis', 'valkey'] },
  { command: 'dnf', install: ['install', '-y'], packages: ['redis', 'valkey'] },
  { command: 'yum', install: ['install', '-y'], packages: ['redis', 'valkey'] },
  { command: 'brew', install: ['install'], packages: ['redis'], asUser: true },
];

/** Ensures that a server program is available for infer to start; starts none. */
export function ensureRedis() {
  const found = findServer();
  if (found) return say(`${found} found`);

  const manager = MANAGERS.find(({ command }) => onPath(command));
  if (!manager) throw new SetupError('redis-server is not installed: get it from https://redis.io/downloads');
  const prefix = privilege(manager);
  say(`installing redis-server with ${manager.command} ...`);
  install(manager, prefix);
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

function onPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** What to put before an install command; throws with the command to type where we may not install. */
function privilege({ command, prepare, install, packages, asUser }) {
  if (asUser || process.getuid?.() === 0) return [];
  if (onPath('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0)
    return ['sudo', '-n'];
  const lines = [prepare, [...install, packages[0]]]
    .filter(Boolean)
    .map((args) => `  sudo ${command} ${args.join(' ')}`);
  throw new SetupError(
    `redis-server is not installed, and installing it with ${command} needs root. Type\n${lines.join('\n')}\nand try again.`,
  );
}

function install({ command, prepare, install, packages }, prefix) {
  const run = (args) => {
    const [program, ...rest] = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', command, ...args];
    quietly(program, rest, { explain: `"${command} ${args.join(' ')}" failed (see above).` });
  };
  if (prepare) run(prepare);
  const failures = [];
  for (const name of packages) {
    try {
      return run([...install, name]);
    } catch (error) {
      failures.push(error);
    }
  }
  throw failures[0];
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
