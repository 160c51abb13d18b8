// Writes the pages of docs/ that are generated from the sources: docs/errors.md from the table of errors. A
// contract test fails while they are out of date.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { errorPage } from './docs/error-page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const { ERROR_TOPICS } = await load('src/lib/core/error-table.ts');
writeFileSync(join(root, 'docs', 'errors.md'), errorPage(ERROR_TOPICS));

/** Loads a module of the sources, which Node 20 cannot read directly. */
async function load(entry) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}
