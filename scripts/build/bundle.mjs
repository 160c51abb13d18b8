import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
/** In other files it would only cost time: `createRequire` builds a module. */
const NEEDS_BANNER = /\b(?:require|__filename|__dirname)\b/;

/** What every start loads, and all commands use; the second cannot be loaded before the first has run. */
const STARTS = ['src/lib/cli/process-start.ts', 'src/lib/cli/base-command.ts'];

/**
 * The command line: one file per command, shared code in chunks. Returns esbuild's list of inputs.
 *
 * esbuild makes a chunk for each set of entries that use the same modules: the modules that every start needs were in
 * 30 files. So each entry is made to import all of them, which puts them into two.
 */
export async function bundleCli(root, outdir) {
  const found = await bundle(root, outdir, { write: false });
  const inStart = modulesFrom(found.metafile, STARTS);
  // Targets of `import()` are entries, too.
  const entries = Object.values(found.metafile.outputs)
    .map(({ entryPoint }) => entryPoint)
    .filter((file) => file?.startsWith('src/') && file !== 'src/run.ts' && !inStart.has(file));
  const { metafile, outputFiles } = await bundle(root, outdir, {
    write: false,
    plugins: [importing(root, entries, STARTS)],
  });
  for (const { path, text } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, NEEDS_BANNER.test(text) ? `${BANNER}\n${text}` : text);
  }
  return metafile;
}

function bundle(root, outdir, options) {
  return build({
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
    metafile: true,
    logLevel: 'warning',
    ...options,
  });
}

/** Modules that `files` import statically, directly or not, with themselves. */
function modulesFrom({ inputs }, files) {
  const seen = new Set();
  const visit = (file) => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { path, kind, external } of inputs[file]?.imports ?? []) {
      if (!external && kind !== 'dynamic-import') visit(path);
    }
  };
  for (const file of files) visit(file);
  return seen;
}

/** Makes each of `entries` import `files`. */
function importing(root, entries, files) {
  const paths = new Set(entries.map((file) => join(root, file)));
  const imports = files.map((file) => `import ${JSON.stringify(join(root, file))};`).join('');
  return {
    name: 'importing',
    setup({ onLoad }) {
      onLoad({ filter: /\.tsx?$/ }, ({ path }) =>
        paths.has(path)
          ? {
              contents: `${readFileSync(path, 'utf8')}\n${imports}`,
              loader: path.endsWith('x') ? 'tsx' : 'ts',
            }
          : undefined,
      );
    },
  };
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
