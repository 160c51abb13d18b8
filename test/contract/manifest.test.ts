import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { makeManifest } from '../../scripts/build/manifest.mjs';
import { filesUnder } from '../../scripts/build/stamp.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const json = (file: string) => JSON.parse(readFileSync(`${root}/${file}`, 'utf8'));
const manifest = json('oclif.manifest.json');

describe('oclif.manifest.json', () => {
  it('has this version, since oclif warns at every start otherwise', () => {
    expect(manifest.version).toBe(json('package.json').version);
  });

  it('matches the built commands', async () => {
    // Through JSON, like the file, which has no undefined.
    expect(manifest).toEqual(JSON.parse(JSON.stringify(await makeManifest(root))));
  });

  it('has every command of src/commands and no other', () => {
    const ids = filesUnder(root, 'src/commands').map((file) =>
      file
        .replace(/^src\/commands\//, '')
        .replace(/(\/index)?\.ts$/, '')
        .replaceAll('/', ':'),
    );
    expect(Object.keys(manifest.commands).sort()).toEqual(ids.sort());
  });
});
