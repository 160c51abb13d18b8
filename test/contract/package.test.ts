import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { filesUnder } from '../../scripts/build/stamp.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const read = (file: string) => readFileSync(`${root}/${file}`, 'utf8');
const pkg = JSON.parse(read('package.json'));

describe('package.json', () => {
  it('has the fields that users rely on', () => {
    expect(pkg).toMatchObject({
      name: 'infer-queue',
      license: 'MIT',
      type: 'module',
      engines: { node: '>=20.19' },
      bin: { infer: 'bin/run.js' },
    });
    expect(pkg.oclif).toMatchObject({ bin: 'infer', commands: './dist/cli/commands', topicSeparator: ' ' });
  });

  it('pins oclif to its last release line for Node 20, and BullMQ to the version whose scripts we replace', () => {
    expect(pkg.dependencies['@oclif/core']).toMatch(/^\^4\./);
    expect(pkg.dependencies.bullmq).toMatch(/^~/);
  });

  it('exports only files that the build makes', () => {
    const targets = Object.values(pkg.exports).flatMap((entry) =>
      typeof entry === 'string' ? [entry] : Object.values(entry as Record<string, string>),
    );
    expect([...targets, pkg.types].filter((file) => !existsSync(`${root}/${file}`))).toEqual([]);
  });

  it('names every hook of src/lib/cli/hooks, and the help class', () => {
    const built = filesUnder(root, 'src/lib/cli/hooks').map((file) =>
      file.replace('src/lib/cli/', './dist/cli/').replace(/\.ts$/, '.js'),
    );
    expect([...Object.values(pkg.oclif.hooks ?? {}), pkg.oclif.helpClass].flat().sort()).toEqual(
      built.sort(),
    );
  });
});

describe('package-lock.json', () => {
  it('has every optional package, those of other platforms too, without which npm ci fails', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const missing = Object.entries(packages).flatMap(([at, { optionalDependencies }]) =>
      Object.keys(optionalDependencies ?? {}).filter(
        (name) => !packages[`node_modules/${name}`] && !packages[`${at}/node_modules/${name}`],
      ),
    );
    expect(missing).toEqual([]);
  });

  it('has a hash for every package, so that npm ci installs the locked content or nothing', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { integrity?: string; link?: boolean }>;
    };
    const unchecked = Object.entries(packages).filter(
      ([at, entry]) => at !== '' && !entry.link && !/^sha512-/.test(entry.integrity ?? ''),
    );
    expect(unchecked.map(([at]) => at)).toEqual([]);
  });
});

describe('.npmrc', () => {
  it('disables install scripts, and has only keys that npm knows', () => {
    const keys = read('.npmrc')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(keys).toEqual(['ignore-scripts=true']);
  });
});

describe('the npm package', () => {
  it('has a licence and an executable entry point', () => {
    expect(read('LICENSE')).toMatch(/^MIT License\n\nCopyright \(c\) \d+ the infer-queue authors/);
    expect(read('bin/run.js')).toMatch(/^#!\/usr\/bin\/env node\n/);
    expect(statSync(`${root}/bin/run.js`).mode & 0o111).toBe(0o111);
  });

  it('contains what is needed at run time, and no source or test', () => {
    const listing = execFileSync('npm', ['pack', '--dry-run', '--json', '--loglevel=error'], { cwd: root });
    const [pack] = Object.values(JSON.parse(listing.toString())) as [{ files: { path: string }[] }];
    const files = pack.files.map((file) => file.path);
    const needed = [
      'LICENSE',
      'bin/run.js',
      'dist/cli/run.js',
      'dist/cli/THIRD_PARTY_LICENCES.txt',
      'dist/web/index.html',
      'dist/web/THIRD_PARTY_LICENCES.txt',
      'dist/lib/index.js',
      'dist/lib/index.d.ts',
      'dist/lib/http.js',
      'dist/lib/http.d.ts',
      'dist/lib/model/runner-main.js',
      'oclif.manifest.json',
    ];
    expect(needed.filter((file) => !files.includes(file))).toEqual([]);
    for (const folder of ['models/', 'examples/']) {
      expect(
        files.some((file) => file.startsWith(folder)),
        folder,
      ).toBe(true);
    }
    expect(files.filter((file) => /^(src|test|scripts|node_modules|\.build)\//.test(file))).toEqual([]);
  });
});
