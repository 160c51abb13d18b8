// npm run test:chaos: the suite is TypeScript, so it is bundled first. The bundle lies below
// node_modules, where it finds its packages, and goes when the run does.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');
const cache = join(root, 'node_modules/.cache');
mkdirSync(cache, { recursive: true });
const dir = mkdtempSync(join(cache, 'infer-chaos-'));
process.once('exit', () => rmSync(dir, { recursive: true, force: true }));

const outfile = join(dir, 'main.mjs');
await build({
  entryPoints: [fileURLToPath(new URL('./main.ts', import.meta.url))],
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
