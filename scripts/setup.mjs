// Prepares a checkout so that infer runs: checks Node, installs dependencies and redis-server, builds dist.
// Safe to repeat, and fast when nothing is missing. Uses only Node, as it runs before npm ci.
//   node scripts/setup.mjs                  set up
//   node scripts/setup.mjs --run demo       ... then show infer at work
//   node scripts/setup.mjs --run test ARGS  ... then run every check and test (ARGS go to vitest)
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isBuilt } from './build/stamp.mjs';
import { runChecks } from './setup/checks.mjs';
import { ensureChromium } from './setup/chromium.mjs';
import { checkNode, ensureDependencies } from './setup/dependencies.mjs';
import { ensureRedis } from './setup/redis.mjs';
import { handOver, quietly, SetupError, say } from './setup/say.mjs';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '');

const NEXT = {
  demo: (args) => handOver(process.execPath, [join(root, 'bin/run.js'), 'demo', ...args]),
  // Builds later by itself, so that a failed build is one failure among others.
  test: (args) => runChecks(root, ensureBuilt, args),
};

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}

async function main(argv) {
  const [option, name, ...args] = argv;
  const next = option === '--run' ? NEXT[name] : undefined;
  if (argv.length > 0 && !next) {
    throw new SetupError('usage: node scripts/setup.mjs [--run demo|test [arguments]]');
  }
  checkNode();
  ensureDependencies(root);
  ensureRedis();
  if (name === 'test') ensureChromium();
  else ensureBuilt();
  if (next) return next(args);
  say('ready: try "node bin/run.js --help", or "npm run quickstart"');
  return 0;
}

function ensureBuilt() {
  if (isBuilt(root)) return;
  quietly(process.execPath, [join(root, 'scripts/build.mjs')], {
    cwd: root,
    explain: 'the build failed (see above)',
  });
  say('built dist');
}
