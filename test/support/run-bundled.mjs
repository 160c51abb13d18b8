import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');

/**
 * Runs a suite written in TypeScript, and exits with the code that its `main(root, argv)` returns. The bundle lies
 * below node_modules, where it finds its packages, and is removed with the run.
 * @param {URL} entry
 */
export async function runBundled(entry) {
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const dir = mkdtempSync(join(cache, 'infer-suite-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));

  const outfile = join(dir, 'main.mjs');
  await build({
    entryPoints: [fileURLToPath(entry)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
  });
  const { main } = await import(pathToFileURL(outfile).href);
  process.exit(await main(root, process.argv.slice(2)));
}
