import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { quietly, SetupError, say } from './say.mjs';

const OLDEST_NODE = [20, 19];
const STAMP = 'node_modules/.infer-setup';

export function checkNode(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  const [wantMajor, wantMinor] = OLDEST_NODE;
  if (major > wantMajor || (major === wantMajor && minor >= wantMinor)) return;
  throw new SetupError(
    `Node ${version} is too old: infer needs ${OLDEST_NODE.join('.')} or later.\n` +
      'Install a newer one from https://nodejs.org/en/download (or "nvm install 22") and try again.',
  );
}

/** Installs the locked dependencies unless they are already installed. */
export function ensureDependencies(root) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, STAMP);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  if (!installedByHand(root)) {
    if (isBorrowed(root)) {
      throw new SetupError(
        'node_modules is a link to another directory, and npm ci would empty that one.\n' +
          'Run "npm run setup" where it leads to, or remove the link and try again.',
      );
    }
    say('installing dependencies with npm ci (about a minute) ...');
    quietly('npm', ['ci', '--no-audit', '--no-fund'], {
      cwd: root,
      env: environment(),
      explain: 'npm ci failed (see above). With the network back, run "npm run setup" again.',
    });
    say('dependencies installed');
  }
  writeFileSync(stamp, lock);
}

/** npm ci follows a linked node_modules and would delete what other checkouts use. */
function isBorrowed(root) {
  return lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

/** A manual `npm install` wrote package-lock.json and npm's own record at the same moment. */
function installedByHand(root) {
  const record = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(record)) return false;
  const slackMs = 5_000;
  return statSync(record).mtimeMs + slackMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
}

/** Tests and builds need the development packages, regardless of the caller's NODE_ENV. */
function environment() {
  const { NODE_ENV: _, npm_config_omit: __, ...env } = process.env;
  return env;
}
