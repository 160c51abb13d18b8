import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ROOT } from '../support/cli.js';

const scratch = mkdtempSync(path.join(tmpdir(), 'infer-setup-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('scripts/setup.mjs', () => {
  it('never runs npm ci through a linked node_modules: npm empties what the link leads to', () => {
    const checkout = path.join(scratch, 'checkout');
    const shared = path.join(scratch, 'shared');
    mkdirSync(checkout);
    mkdirSync(shared);
    writeFileSync(path.join(shared, 'used-by-others'), '');
    for (const part of ['scripts', 'package.json', 'package-lock.json']) {
      cpSync(path.join(ROOT, part), path.join(checkout, part), { recursive: true });
    }
    symlinkSync(shared, path.join(checkout, 'node_modules'));
    // Were it to run npm after all, it would find no registry, and not take minutes.
    const env = { ...process.env, npm_config_registry: 'http://127.0.0.1:1', npm_config_fetch_retries: '0' };
    const run = spawnSync(process.execPath, ['scripts/setup.mjs'], { cwd: checkout, env, encoding: 'utf8' });
    expect(run.status).toBe(1);
    expect(run.stdout + run.stderr).toContain('node_modules is a link to another directory');
    expect(readdirSync(shared)).toEqual(['used-by-others']);
  });
});
