import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { quietly } from './say.mjs';

/** In search order, with the arguments of each. */
const MANAGERS = [
  {
    command: 'apt-get',
    prepare: ['update', '-q'],
    install: ['install', '-y', '-q', '--no-install-recommends'],
  },
  { command: 'apk', install: ['add', '--no-cache'] },
  { command: 'dnf', install: ['install', '-y'] },
  { command: 'yum', install: ['install', '-y'] },
  { command: 'brew', install: ['install'], asUser: true },
];

/** The package manager of this system among those for which `packages` has names; undefined if there is none. */
export function managerFor(packages) {
  return MANAGERS.find(({ command }) => packages[command] !== undefined && onPath(command));
}

export function onPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** What to put before an install command; undefined where it needs a password. */
export function privilegeOf({ asUser }) {
  if (asUser || process.getuid?.() === 0) return [];
  if (onPath('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0)
    return ['sudo', '-n'];
  return undefined;
}

/** The lines to type where we may not install. */
export function linesToType({ command, prepare, install }, name) {
  return [prepare, [...install, name]]
    .filter(Boolean)
    .map((args) => `  sudo ${command} ${args.join(' ')}`)
    .join('\n');
}

/** Installs the first of the packages that installs. Throws a SetupError with the output if none does. */
export function installOne({ command, prepare, install }, packages, prefix) {
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
