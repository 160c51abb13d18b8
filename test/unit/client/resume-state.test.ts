import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { ResumeFile } from '../../../src/lib/client/score/resume-state.js';

const dir = mkdtempSync(path.join(tmpdir(), 'infer-resume-'));
afterAll(() => rmSync(dir, { recursive: true }));

const state = { group: 'g1', input: 'i', model: 'm', modelDigest: 'd' };

/** A file that an output was written to before the process was killed. */
function partialOf(output: string): string {
  const file = `${output}.part-${randomUUID()}`;
  writeFileSync(file, 'half');
  return file;
}

it.each([
  ['by its absolute path', (file: string) => file],
  ['by a relative path, from another directory', (file: string) => path.relative(process.cwd(), file)],
  [
    'by a link elsewhere',
    (file: string) => {
      const link = path.join(mkdtempSync(path.join(dir, 'links-')), 'link.csv');
      symlinkSync(file, link);
      return link;
    },
  ],
])('removes what a killed run has written of its output, named %s', async (_, named) => {
  const output = path.join(mkdtempSync(path.join(dir, 'out-')), 'scored.csv');
  writeFileSync(output, 'old');
  const partial = partialOf(output);
  const asked = named(output);
  await new ResumeFile(asked).write({
    ...state,
    partial: path.isAbsolute(asked) ? partial : path.relative(process.cwd(), partial),
  });
  const read = new ResumeFile(path.isAbsolute(asked) ? asked : output);
  expect(await read.read()).toMatchObject(state);
  expect([existsSync(partial), existsSync(output)]).toEqual([false, true]);
});

it('removes no other file, whatever the state says', async () => {
  const output = path.join(dir, 'own.csv');
  const other = partialOf(path.join(dir, 'other.csv'));
  await new ResumeFile(output).write({ ...state, partial: other });
  await new ResumeFile(output).read();
  expect(existsSync(other)).toBe(true);
});

it.each(['null', '[]', '{"version":1}', 'x'])('refuses the content %s', async (content) => {
  const output = path.join(dir, 'bad.csv');
  writeFileSync(`${output}.resume`, content);
  await expect(new ResumeFile(output).read()).rejects.toMatchObject({ code: 'RESUME_MISMATCH' });
});

it('names the state, not the output, where a directory has its name', async () => {
  const output = path.join(dir, 'folder.csv');
  mkdirSync(`${output}.resume`);
  await expect(new ResumeFile(output).read()).rejects.toMatchObject({
    code: 'RESUME_MISMATCH',
    message: expect.stringContaining('folder.csv.resume is not what an unfinished run left'),
  });
});
