import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { licencesOf } from './licences.mjs';

/**
 * The dashboard's page: index.html, one script and one style sheet. Their names contain a hash of their content, so
 * that a browser may keep them forever. All addresses are relative, so that any base path works.
 */
export async function bundlePage(root, outdir) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [{ in: 'src/web/main.tsx', out: 'app' }],
    outdir,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: ['es2022'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    minify: true,
    legalComments: 'none', // licences are collected in one file, see licences.mjs
    entryNames: '[name]-[hash]',
    metafile: true,
    logLevel: 'warning',
  });
  const built = Object.keys(metafile.outputs).map((path) => basename(path));
  const named = (ending) => built.find((name) => name.endsWith(ending));
  const html = readFileSync(join(root, 'src/web/index.html'), 'utf8')
    .replace('./app.js', `./${named('.js')}`)
    .replace('./app.css', `./${named('.css')}`);
  writeFileSync(join(outdir, 'index.html'), html);
  writeFileSync(join(outdir, 'icon.svg'), readFileSync(join(root, 'src/web/icon.svg')));
  writeFileSync(join(outdir, 'THIRD_PARTY_LICENCES.txt'), licencesOf(root, metafile));
}
