import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkSource, openBytes } from '../../../src/lib/input/bytes.js';
import { failure } from './signatures.js';

let dir: string;
const at = (name: string) => path.join(dir, name);
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'infer-bytes-'));
  writeFileSync(at('rows.json'), '[1]');
  writeFileSync(at('rows.ndjson'), '[1]\n');
  symlinkSync(at('loop'), at('loop'));
  execFileSync('mkfifo', [at('pipe')]);
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

async function contentOf(source: Parameters<typeof openBytes>[0]): Promise<string> {
  const reader = await openBytes(source);
  try {
    return (await reader.rest(1 << 20, 'all')).toString();
  } finally {
    await reader.close();
  }
}

describe('a source that cannot be read', () => {
  it.each<[string, () => string, string, () => string, () => string]>([
    [
      'a directory',
      () => dir,
      'INPUT_DIRECTORY',
      () => `${dir} is a directory, not an input file`,
      () => 'name one file in it',
    ],
    [
      'a file that does not exist',
      () => at('row.json'),
      'INPUT_MISSING',
      () => `there is no file ${at('row.json')}`,
      () => `did you mean ${at('rows.json')}?`,
    ],
    [
      'a file with another extension',
      () => at('rows.csv'),
      'INPUT_MISSING',
      () => `there is no file ${at('rows.csv')}`,
      () => `did you mean ${at('rows.json')} or ${at('rows.ndjson')}?`,
    ],
    [
      'a path through a file',
      () => at('rows.json/more'),
      'INPUT_MISSING',
      () => `there is no file ${at('rows.json/more')}`,
      () => 'check the path, or use - to read standard input',
    ],
    [
      'a link to itself',
      () => at('loop'),
      'INPUT_UNREADABLE',
      () => `${at('loop')} cannot be read (ELOOP)`,
      () => 'check its permissions with ls -l',
    ],
  ])('is refused with its fix, before and when it is opened: %s', async (_, name, code, message, hint) => {
    for (const refuse of [checkSource, openBytes]) {
      const error = await failure(() => refuse({ path: name() }));
      expect([error.code, error.exitCode, error.message, error.hint]).toEqual([code, 66, message(), hint()]);
    }
  });

  it('is refused when its stream breaks', async () => {
    const broken = new Readable({
      read() {
        this.destroy(new Error('gone'));
      },
    });
    const error = await failure(() => contentOf({ stdin: broken }));
    expect([error.code, error.message, error.hint]).toEqual([
      'INPUT_UNREADABLE',
      'standard input cannot be read',
      'check the command that feeds it',
    ]);
  });
});

describe('a source that can be read', () => {
  it('is checked without being read: a file is closed again, a pipe or stream is not opened', async () => {
    await checkSource({ path: at('rows.json') });
    // Opening it would wait for a writer.
    await checkSource({ path: at('pipe') });
    const stream = Readable.from(['never read']);
    await checkSource({ stdin: stream });
    expect(stream.readableFlowing).toBe(null);
  });

  it('yields its bytes: a file, a pipe, and a stream of text or bytes', async () => {
    expect(await contentOf({ path: at('rows.json') })).toBe('[1]');
    const writing = open(at('pipe'), 'w').then(async (pipe) => {
      await pipe.writeFile('[2]\n[3]');
      await pipe.close();
    });
    expect(await contentOf({ path: at('pipe') })).toBe('[2]\n[3]');
    await writing;
    const parts = ['gr', Buffer.from('ü'), new Uint8Array([...Buffer.from('ße')]).subarray(0, 3)];
    expect(await contentOf({ stdin: Readable.from(parts) })).toBe('grüße');
  });

  it('has its extension in lower case, and none on standard input', async () => {
    const file = await openBytes({ path: at('rows.ndjson') });
    expect([file.label, file.extension]).toEqual(['rows.ndjson', '.ndjson']);
    await file.close();
    const stream = await openBytes({ stdin: Readable.from([]) });
    expect([stream.label, stream.extension]).toEqual(['standard input', '']);
    await stream.close();
  });

  it('is aborted with the reason of its signal, even while nothing arrives', async () => {
    const giveUp = new AbortController();
    const reader = await openBytes({ stdin: new Readable({ read: () => undefined }) }, giveUp.signal);
    const reading = expect(reader.next()).rejects.toThrow('enough');
    giveUp.abort(new Error('enough'));
    await reading;
    await reader.close();
  });
});
