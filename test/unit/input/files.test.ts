import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { isMainThread } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rowNumbers } from '../../../src/lib/core/row-place.js';
import type { Chunk } from '../../../src/lib/input/chunk.js';
import { type FoundFiles, findFiles } from '../../../src/lib/input/files/find-files.js';
import { byName } from '../../../src/lib/input/files/natural-order.js';
import { type FileRows, readFiles } from '../../../src/lib/input/files/read-files.js';
import { decodeStrings } from '../../../src/lib/model/tensor.js';
import { withoutRoot } from '../../support/ordinary-user.js';
import { failure, floats, input, model, payloads } from './signatures.js';

const pair = model(input('x', 'float32', [2]));
const texts = model(input('text', 'string', []));
const images = model(input('image', 'string', [], { role: 'image' }));

let dir: string;
const at = (...parts: string[]) => path.join(dir, ...parts);
const put = async (name: string, content: string | Uint8Array) => {
  await mkdir(path.dirname(at(name)), { recursive: true });
  await writeFile(at(name), content);
  return at(name);
};
const find = (...words: string[]): Promise<FoundFiles> => findFiles(words, Readable.from([]));
const names = async (...words: string[]) =>
  (await find(...words)).files.map(({ name }) => path.relative(dir, name));

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'infer-files-'));
  for (const name of [
    'img10.jpg',
    'img2.jpg',
    'Img3.jpg',
    'sub/a.jpg',
    'sub/b.png',
    '.hidden.jpg',
    '.git/c.jpg',
  ])
    await put(`tree/${name}`, 'x');
  await put('one.jpg', 'x');
  await put('odd[1].jpg', 'x');
  await put('!odd.jpg', 'x');
  await put('#odd/a.jpg', 'x');
  await mkdir(at('empty/.only/hidden'), { recursive: true });
  await put('empty/.only/hidden/x', 'x');
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

describe('the files that arguments name', () => {
  it('are in the order of the arguments, then in natural order of their names, without hidden ones', async () => {
    expect(await names(at('one.jpg'), at('tree'))).toEqual([
      'one.jpg',
      'tree/img2.jpg',
      'tree/Img3.jpg',
      'tree/img10.jpg',
      'tree/sub/a.jpg',
      'tree/sub/b.png',
    ]);
    expect((await find(at('tree'))).several).toBe(true);
    expect((await find(at('one.jpg'))).several).toBe(false);
    expect(['b', 'a10', 'a9', 'a09', 'A9'].sort(byName)).toEqual(['a09', 'a9', 'A9', 'a10', 'b']);
  });

  it.each([
    ['tree/*.jpg', ['tree/img2.jpg', 'tree/Img3.jpg', 'tree/img10.jpg']],
    [
      'tree/**/*.{png,jpg}',
      ['tree/img2.jpg', 'tree/Img3.jpg', 'tree/img10.jpg', 'tree/sub/a.jpg', 'tree/sub/b.png'],
    ],
    ['tree/s*', ['tree/sub/a.jpg', 'tree/sub/b.png']],
    ['tree/.h*', ['tree/.hidden.jpg']],
    ['t[a-z]ee/img?.jpg', ['tree/img2.jpg']],
    ['odd[1].jpg', ['odd[1].jpg']],
  ])('follow the pattern %s', async (pattern, expected) => {
    expect(await names(at(pattern))).toEqual(expected);
  });

  it('are found by relative patterns', async () => {
    const before = process.cwd();
    if (!isMainThread) return;
    process.chdir(dir);
    try {
      const words = ['./tree/*2.jpg', '*.jpg', 'tree/', 'tree/../tree/*2.jpg', '#odd/*.jpg', '!odd*.jpg'];
      const found = await Promise.all(words.map((word) => find(word)));
      expect(found.map(({ files }) => files[0]?.name)).toEqual([
        'tree/img2.jpg',
        '!odd.jpg',
        'tree/img2.jpg',
        'tree/../tree/img2.jpg',
        '#odd/a.jpg',
        '!odd.jpg',
      ]);
    } finally {
      process.chdir(before);
    }
  });

  it('include those that links in a folder lead to, but no linked folders', async () => {
    await mkdir(at('links'));
    await symlink(at('one.jpg'), at('links/file'));
    await symlink(at('links'), at('links/loop'));
    expect(await names(at('links'))).toEqual(['links/file']);
    await symlink(at('tree'), at('tree-link'));
    expect(await names(at('tree-link'))).toHaveLength(5);
    await symlink(at('gone.jpg'), at('links/broken'));
    expect(await failure(() => find(at('links')))).toMatchObject({
      code: 'INPUT_MISSING',
      message: expect.stringMatching(/links\/broken is a link to a file that does not exist/),
    });
  });

  it.each([
    ['an empty folder', () => [at('empty')], 'INPUT_MISSING', /there are no files in .*empty/, /hidden/],
    [
      'a pattern without a match',
      () => [at('tree/*.tiff')],
      'INPUT_MISSING',
      /no file matches .*tiff/,
      /pattern/,
    ],
    ['a pattern in no folder', () => [at('nowhere/*.jpg')], 'INPUT_MISSING', /no file matches/, /pattern/],
    [
      'a missing file',
      () => [at('one.jpg'), at('one.jgp')],
      'INPUT_MISSING',
      /no file .*one\.jgp/,
      /one\.jpg/,
    ],
    ['standard input among files', () => [at('one.jpg'), '-'], 'USAGE', /standard input/, /cat/],
  ])('are refused for %s', async (_, words, code, message, hint) => {
    expect(await failure(() => find(...words()))).toMatchObject({
      code,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });

  it('are refused for a folder that may not be read, and a pipe among files', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    expect(await failure(() => find(at('one.jpg'), at('pipe')))).toMatchObject({
      message: expect.stringMatching(/pipe is a pipe/),
    });
    if (!isMainThread) return;
    await put('closed/in/x.jpg', 'x');
    await chmod(at('closed/in'), 0o000);
    await chmod(dir, 0o755);
    const error = await withoutRoot(() => failure(() => find(at('closed'))));
    expect(error).toMatchObject({
      code: 'INPUT_UNREADABLE',
      message: expect.stringMatching(/closed\/in cannot be read: permission denied/),
    });
  });
});

describe('the rows of several files', () => {
  const chunks = async (folder: string, signature = pair, counted: FileRows[] = []) =>
    (await payloads(await readFiles(await find(at(folder)), signature, {}, counted))) as Chunk[];

  it('follow each other, in few chunks, and are counted by file', async () => {
    await put('rows/a.json', '[1, 2]');
    await put('rows/b.ndjson', '{"x": [3, 4], "n": 1}\n[5, 6]\n');
    await put('rows/c.json', '{"x":\n [[7, 8], [9, 10]]}');
    const counted: FileRows[] = [];
    const [chunk, ...more] = await chunks('rows', pair, counted);
    expect(more).toEqual([]);
    expect(chunk && floats(chunk)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(chunk?.place).toEqual({ firstRow: 0 });
    expect(counted.map(({ file, rows }) => [path.basename(file), rows])).toEqual([
      ['a.json', 1],
      ['b.ndjson', 2],
      ['c.json', 2],
    ]);
  });

  it('keep their places where rows of several shapes are sorted into chunks', async () => {
    const open = model(input('x', 'float32', [null]));
    await put('shapes/a.ndjson', '[1]\n[2, 2]\n[3]\n');
    await put('shapes/b.ndjson', '[4, 4]\n[5]\n');
    const placed = (await chunks('shapes', open)).flatMap((chunk) =>
      rowNumbers(chunk.place ?? { firstRow: 0 }, chunk.rows).map((row, i) => [
        row,
        floats(chunk)[i * (chunk.tensors[0]?.shape[0] ?? 1)],
      ]),
    );
    expect(placed.sort(([a], [b]) => (a as number) - (b as number))).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
      [4, 5],
    ]);
  });

  it('of 5,000 files come in order and in chunks of 256', async () => {
    await mkdir(at('many'));
    await Promise.all(Array.from({ length: 5000 }, (_, i) => writeFile(at(`many/${i}.json`), `"row ${i}"`)));
    const all = await chunks('many', texts);
    expect(all).toHaveLength(Math.ceil(5000 / 256));
    const values = all.flatMap((chunk) => decodeStrings(chunk.tensors[0]?.data as Uint8Array));
    expect(values).toEqual(Array.from({ length: 5000 }, (_, i) => `row ${i}`));
  });

  it('name the file and the line of a bad row', async () => {
    await put('bad/a.ndjson', '[1, 2]\n');
    await put('bad/b.ndjson', '[1, 2]\n[1]\n');
    expect(await failure(() => chunks('bad'))).toMatchObject({
      code: 'INPUT_SHAPE',
      message: expect.stringMatching(/bad\/b\.ndjson: line 2: 1 number found/),
    });
  });

  it('are refused before the first when files are of several kinds, or unusable', async () => {
    await mkdir(at('mixed'));
    await writeFile(at('mixed/a.jpg'), Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0]));
    await put('mixed/rows.csv', 'image\na.jpg\n');
    expect(await failure(() => chunks('mixed', images))).toMatchObject({
      code: 'INPUT_KINDS',
      message: expect.stringMatching(/a\.jpg is an image and .*rows\.csv is a table/),
      hint: expect.stringMatching(/\*\.jpg/),
    });
    await put('unusable/a.json', '[1, 2]');
    for (const name of ['b.zip', 'c.zip']) await put(`unusable/${name}`, 'PK\x03\x04 and more');
    expect(await failure(() => chunks('unusable'))).toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringMatching(
        /unusable\/b\.zip is .*; 1 other file of 3 cannot be read either: .*c\.zip/,
      ),
    });
  });

  it('end with an error that names a file that vanishes before its turn', async () => {
    for (const name of ['a.png', 'b.png', 'c.png', 'd.png', 'e.png']) {
      const bytes = Buffer.alloc(600_000);
      bytes.write('\x89PNG\r\n', 'latin1');
      await put(`gone/${name}`, bytes);
    }
    const read = await readFiles(await find(at('gone')), images);
    await unlink(at('gone/e.png'));
    expect(await failure(() => payloads(read))).toMatchObject({
      code: 'INPUT_MISSING',
      message: expect.stringMatching(/there is no file .*gone\/e\.png/),
    });
  });
});
