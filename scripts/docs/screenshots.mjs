// Makes the screenshots of docs/dashboard.md: of a deployment at work (deployment.mjs), which is stopped at the end.
// Needs a build, redis-server and chromium.
//   node scripts/docs/screenshots.mjs [FOLDER]         those of the page, into docs/images
//   node scripts/docs/screenshots.mjs --all FOLDER     every page, light and dark, and some at 360 px
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startDeployment } from './deployment.mjs';
import { ALL, IN_DOCS, photograph } from './photographs.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const words = process.argv.slice(2);
const all = words[0] === '--all';
const folder = all ? words[1] : (words[0] ?? join(root, 'docs/images'));
if (folder === undefined)
  throw new Error('--all needs a folder: node scripts/docs/screenshots.mjs --all FOLDER');

/** The live charts show five minutes. */
const WORK_MS = 300_000;

const program = chromiumProgram();
const scratch = mkdtempSync(join(tmpdir(), 'infer-screenshots-'));
let deployment;
try {
  mkdirSync(folder, { recursive: true });
  deployment = await startDeployment(scratch);
  let flow;
  await photograph(deployment, program, all ? ALL : IN_DOCS, folder, async (_page, open) => {
    // The page is opened first: it shows what it has seen.
    await open();
    console.error(`at work for ${WORK_MS / 1000} s`);
    await deployment.work(WORK_MS);
    // The flow goes on while the pages are photographed.
    flow = deployment.work(60_000);
  });
  await flow;
} finally {
  await deployment?.stop();
  rmSync(scratch, { recursive: true, force: true });
}

function chromiumProgram() {
  const look = 'command -v chromium || command -v chromium-browser';
  const found = spawnSync('sh', ['-c', look], { encoding: 'utf8' });
  if (found.status !== 0) throw new Error('chromium is not installed: apt-get install chromium');
  return found.stdout.trim();
}
