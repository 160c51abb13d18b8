import { build } from 'esbuild';
import { filesUnder } from './stamp.mjs';

/** Not bundled: native modules, and compilers that oclif would load only to run TypeScript sources. */
const EXTERNAL = ['onnxruntime-node', 'msgpackr-extract', 'typescript', 'ts-node', 'tsx', 'wsl-utils'];

/** Bundled CommonJS code expects these three. */
const BANNER = `
import { createRequire as __createRequire } from 'node:module';
import { fileURLToPath as __fileURLToPath } from 'node:url';
const require = __createRequire(import.meta.url);
const __filename = __fileURLToPath(import.meta.url);
const __dirname = __fileURLToPath(new URL('.', import.meta.url));
`.trim();

/** The command line: one file per command, shared code in chunks. Returns esbuild's list of inputs. */
export async function bundleCli(root, outdir) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: entryPoints(root),
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // Names stay: error classes are identified by theirs. `keepNames` would name every closure each time it is
    // made, which took 5 % of the gateway's time.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none', // licences are collected in one file, see licences.mjs
    chunkNames: 'chunks/[name]-[hash]',
    external: EXTERNAL,
    banner: { js: BANNER },
    metafile: true,
    logLevel: 'warning',
  });
  return metafile;
}

function entryPoints(root) {
  const under = (folder, out) =>
    filesUnder(root, folder)
      .filter((path) => path.endsWith('.ts'))
      .map((path) => ({ in: path, out: `${out}${path.slice(folder.length, -'.ts'.length)}` }));
  return [
    { in: 'src/run.ts', out: 'run' },
    ...under('src/commands', 'commands'),
    ...under('src/lib/cli/hooks', 'hooks'),
  ];
}
