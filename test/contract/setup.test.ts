import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../support/cli.js';

const scratch = mkdtempSync(path.join(tmpdir(), 'infer-setup-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('scripts/setup.mjs', () => {
  it('never runs npm ci through a linked node_modules, which would empty the target', () => {
    const checkout = path.join(scratch, 'checkout');
    const shared = path.join(scratch, 'shared');
    mkdirSync(checkout);
    mkdirSync(shared);
    writeFileSync(path.join(shared, 'used-by-others'), '');
    for (const part of ['scripts', 'package.json', 'package-lock.json']) {
      cpSync(path.join(ROOT, part), path.join(checkout, part), { recursive: true });
    }
    symlinkSync(shared, path.join(checkout, 'node_modules'));
    // If it did run npm, it would find no registry, and fail fast.
    const env = { ...process.env, npm_config_registry: 'http://127.0.0.1:1', npm_config_fetch_retries: '0' };
    const run = spawnSync(process.execPath, ['scripts/setup.mjs'], { cwd: checkout, env, encoding: 'utf8' });
    expect(run.status).toBe(1);
    expect(run.stdout + run.stderr).toContain('node_modules is a link to another directory');
    expect(readdirSync(shared)).toEqual(['used-by-others']);
  });
});

describe('npm test', () => {
  const root = path.join(scratch, 'tested');
  const bin = path.join(root, 'node_modules/.bin');
  const run = (...args: string[]) => {
    const source = `const { runChecks } = await import(process.argv[1]);
      process.exitCode = await runChecks(process.argv[2], () => undefined, process.argv.slice(3));`;
    const checks = path.join(ROOT, 'scripts/setup/checks.mjs');
    const argv = ['--input-type=module', '-e', source, checks, root, ...args];
    const { status, stdout } = spawnSync(process.execPath, argv, { cwd: root, encoding: 'utf8' });
    return { status, lines: stdout.trimEnd().split('\n') };
  };
  const tests = (content: string) => writeFileSync(path.join(root, 'some.test.js'), content);

  beforeAll(() => {
    mkdirSync(bin, { recursive: true });
    for (const check of ['biome', 'tsc', 'knip']) {
      writeFileSync(path.join(bin, check), '#!/bin/sh\n');
      chmodSync(path.join(bin, check), 0o755);
    }
    symlinkSync(path.join(ROOT, 'node_modules/vitest/vitest.mjs'), path.join(bin, 'vitest'));
    writeFileSync(path.join(root, 'package.json'), '{ "type": "module" }');
    writeFileSync(path.join(root, 'vitest.config.js'), 'export default { test: { globals: true } };');
  });

  it('counts skipped tests and names them at the end', () => {
    tests(`
      test('runs', () => undefined);
      test.skip('needs helm', () => undefined);
      test('finds out later', (context) => context.skip());
      describe.skip('fish', () => { test('completes', () => undefined); });
      test.todo('is to come');`);
    const { status, lines } = run();
    expect(lines.slice(lines.indexOf('== skipped') + 1)).toEqual([
      'some.test.js > needs helm',
      'some.test.js > finds out later',
      'some.test.js > fish > completes',
      'some.test.js > is to come',
      '',
      '5 passed, 0 failed, 4 skipped',
    ]);
    expect(status).toBe(0);
  });

  it('does not list tests that a filter left out', () => {
    const { lines } = run('-t', 'runs');
    expect(lines).not.toContain('== skipped');
    expect(lines.at(-1)).toBe('5 passed, 0 failed, 4 skipped');
  });

  it('names tests that passed only on the second try, with the first error', () => {
    tests(`
      let tries = 0;
      test('answers', { retry: 1 }, () => { if (tries++ === 0) throw new Error('no answer yet\\nat all'); });
      test.fails('is meant to fail', () => { throw new Error('meant'); });
      test('runs', () => undefined);`);
    const { status, lines } = run();
    expect(lines.slice(lines.indexOf('== passed on the second try') + 1)).toEqual([
      'some.test.js > answers',
      '  Error: no answer yet',
      '',
      '7 passed, 0 failed',
    ]);
    expect(status).toBe(0);
    expect(run('-t', 'answers').lines).toContain('== passed on the second try');
  });

  it('lists no second tries where there were none, or where the second failed too', () => {
    tests(`test('fails', { retry: 1 }, () => { throw new Error('again'); });`);
    const { status, lines } = run();
    expect(lines).not.toContain('== passed on the second try');
    expect([status, lines.at(-1)]).toEqual([1, '4 passed, 1 failed']);
  });

  it('fails on a failed test, and on a file that does not load', () => {
    tests(`test('fails', () => expect(1).toBe(2));`);
    const failed = run();
    expect([failed.status, failed.lines.at(-1)]).toEqual([1, '4 passed, 1 failed']);
    tests(`throw new Error('not loaded');`);
    const broken = run();
    expect([broken.status, broken.lines.at(-1)]).toEqual([1, '4 passed, 1 failed']);
  });
});
