// Builds dist/ (cli: bundled, for bin/run.js; lib: plain modules and types, for programs; web: the dashboard's
// page) and oclif.manifest.json. Everything is built in a separate folder and moved into place when complete, so a
// failed or partial build is never run.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleCli } from './build/bundle.mjs';
import { licencesOf } from './build/licences.mjs';
import { makeManifest } from './build/manifest.mjs';
import { bundlePage } from './build/page.mjs';
import { sourceHash } from './build/stamp.mjs';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '');

mkdirSync(join(root, '.build'), { recursive: true });
// Inside the repository, so that unbundled packages resolve from its node_modules.
const stage = mkdtempSync(join(root, '.build', 'stage-'));
try {
  await buildInto(stage);
  moveIntoPlace(stage);
} catch (error) {
  // tsc and esbuild have already reported the location; oclif says in `detail` which command does not load.
  console.error(['build failed:', error.message, error.detail].filter(Boolean).join(' '));
  process.exitCode = 1;
} finally {
  rmSync(stage, { recursive: true, force: true });
}

async function buildInto(stage) {
  const hash = sourceHash(root); // taken first: an edit during the build leaves dist stale, not wrong
  const dist = join(stage, 'dist');
  copyFileSync(join(root, 'package.json'), join(stage, 'package.json'));
  emitLibrary(join(dist, 'lib'));
  const metafile = await bundleCli(root, join(dist, 'cli'));
  writeFileSync(join(dist, 'cli', 'THIRD_PARTY_LICENCES.txt'), licencesOf(root, metafile));
  await bundlePage(root, join(dist, 'web'));
  writeFileSync(
    join(stage, 'oclif.manifest.json'),
    `${JSON.stringify(await makeManifest(stage), null, 2)}\n`,
  );
  writeFileSync(join(dist, '.stamp'), hash);
}

function emitLibrary(outDir) {
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  const { status } = spawnSync(tsc, ['-p', 'tsconfig.build.json', '--outDir', outDir], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('tsc could not read src/lib');
}

function moveIntoPlace(stage) {
  const dist = join(root, 'dist');
  // Another build may swap at the same moment; the later one then installs its own.
  for (let attempt = 1; ; attempt++) {
    try {
      if (existsSync(dist)) renameSync(dist, join(stage, `old-${attempt}`));
      renameSync(join(stage, 'dist'), dist);
      break;
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
  renameSync(join(stage, 'oclif.manifest.json'), join(root, 'oclif.manifest.json'));
}
