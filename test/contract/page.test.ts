import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../support/cli.js';

const dir = path.join(ROOT, 'dist/web');
const read = (name: string) => readFileSync(path.join(dir, name));
const names = readdirSync(dir);
const html = read('index.html').toString();

describe('the built page of the dashboard', () => {
  it('has at most 60 KB of JavaScript, gzipped', () => {
    const scripts = names.filter((name) => name.endsWith('.js'));
    expect(scripts).toHaveLength(1);
    const size = scripts.reduce((sum, name) => sum + gzipSync(read(name), { level: 9 }).length, 0);
    expect(size).toBeLessThanOrEqual(60 * 1024);
  });

  it('is below 150 KB with all that it loads, as a server sends it', () => {
    const loaded = names.filter((name) => /\.(html|js|css|svg)$/.test(name));
    const size = loaded.reduce((sum, name) => sum + gzipSync(read(name)).length, 0);
    expect(size).toBeLessThan(150 * 1024);
  });

  it('has no script or style in the document, so that a strict policy holds', () => {
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|javascript:/i);
    expect([...html.matchAll(/<script\b([^>]*)>([^<]*)<\/script>/g)].map(([, , text]) => text)).toEqual(['']);
  });

  it('names only files of its own, relative to itself, so that it works under any path', () => {
    const addresses = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address as string);
    expect(addresses.length).toBeGreaterThan(2);
    for (const address of addresses) {
      expect(address).toMatch(/^\.\/[\w.-]+$/);
      expect(names).toContain(address.slice(2));
    }
    const styles = read(names.find((name) => name.endsWith('.css')) as string).toString();
    expect(styles).not.toMatch(/url\(|@import/);
  });

  it('names a script and a style sheet that change their names with their content', () => {
    expect(names.filter((name) => /^app-[A-Z0-9]{8}\.(js|css)$/.test(name))).toHaveLength(2);
  });

  it('comes with the licences of what is bundled into it', () => {
    const notices = read('THIRD_PARTY_LICENCES.txt').toString();
    for (const name of ['preact', 'uplot']) expect(notices).toMatch(new RegExp(`^${name} \\d`, 'm'));
  });
});
