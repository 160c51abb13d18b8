import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../support/cli.js';

/** Files of `src` and packages that an entry loads at run time; types are not loaded. */
async function loadedBy(entry: string): Promise<{ files: string[]; packages: string[] }> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'silent',
  });
  const imported = Object.values(metafile.inputs).flatMap(({ imports }) => imports);
  const packages = imported.filter(({ external }) => external === true).map(({ path }) => path);
  return { files: Object.keys(metafile.inputs).sort(), packages: [...new Set(packages)].sort() };
}

/** Every module that a program loads, as addresses. */
const LISTS_MODULES = `
  import { writeSync } from 'node:fs';
  export async function load(url, context, next) {
    writeSync(1, url + '\\n');
    return next(url, context);
  }
`;

describe('infer-queue/http', () => {
  it('loads its own files and the core, and no package', async () => {
    const { files, packages } = await loadedBy('src/lib/http.ts');
    const others = files.filter((file) => !/^src\/lib\/(core|http-client)\/|^src\/lib\/http\.ts$/.test(file));
    expect(others).toEqual(['src/lib/client/ended.ts']);
    expect(packages.filter((name) => !name.startsWith('node:'))).toEqual([]);
    // The same look at the other entry sees what it loads.
    const whole = await loadedBy('src/lib/index.ts');
    expect(whole.packages).toEqual(expect.arrayContaining(['ioredis', 'bullmq']));
  });

  it('is found by its name in the package, and loads no other module there', () => {
    const hooks = `data:text/javascript,${encodeURIComponent(LISTS_MODULES)}`;
    const program = `
      import { register } from 'node:module';
      register(${JSON.stringify(hooks)});
      const { InferHttp, InferError } = await import('infer-queue/http');
      new InferHttp({ url: 'http://127.0.0.1:8000' });
      if (typeof InferError !== 'function') throw new Error('no InferError');
    `;
    const flags = ['--input-type=module', '--no-warnings', '-e', program];
    const loaded = execFileSync(process.execPath, flags, { cwd: ROOT }).toString().trim().split('\n');
    const files = loaded.filter((url) => !url.startsWith('node:'));
    const dist = `${pathToFileURL(path.join(ROOT, 'dist/lib')).href}/`;
    expect(files).toContain(`${dist}http.js`);
    const others = files
      .map((url) => url.replace(dist, ''))
      .filter((file) => !/^(core\/|http-client\/|http\.js$)/.test(file));
    expect(others).toEqual(['client/ended.js']);
  });
});
