import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageAddresses } from '../../../src/lib/input/address/fetched-rows.js';
import { Fetcher } from '../../../src/lib/input/address/fetcher.js';
import { checkReach, isPublic, parseAddress, publicLookup } from '../../../src/lib/input/address/reach.js';
import { findFiles } from '../../../src/lib/input/files/find-files.js';
import { readInput } from '../../../src/lib/input/read.js';
import { thrown } from '../../support/thrown.js';
import { failure, input, model, payloads } from './signatures.js';

const pair = model(input('x', 'float32', [2]));
const images = model(input('image', 'string', [], { role: 'image' }));

let server: Server;
let base = '';
let busy = 0;
const PAGES: Record<string, RequestListener> = {
  '/rows.csv': (_, answer) => answer.end('x_0,x_1\n1,2\n3,4\n'),
  '/found.ndjson': (_, answer) => answer.end('[1, 2]\n'),
  '/moved.ndjson': (_, answer) => answer.writeHead(302, { location: '/found.ndjson' }).end(),
  '/loop': (_, answer) => answer.writeHead(301, { location: '/loop' }).end(),
  '/nowhere': (_, answer) => answer.writeHead(302, { location: 'http://[secret' }).end(),
  '/file': (_, answer) => answer.writeHead(302, { location: 'file:///etc/hostname' }).end(),
  '/ftp': (_, answer) => answer.writeHead(302, { location: 'ftp://example.com/x' }).end(),
  '/busy.png': (_, answer) => (++busy % 2 === 1 ? answer.writeHead(503).end() : answer.end('\x89PNG')),
  '/cut.ndjson': (_, answer) => {
    answer.writeHead(200, { 'content-length': 1000 }).write('[1, 2]\n');
    setImmediate(() => answer.destroy());
  },
  '/endless.png': (_, answer) => {
    const block = Buffer.alloc(1024 * 1024);
    const more = () => {
      while (!answer.destroyed && answer.write(block));
      if (!answer.destroyed) answer.once('drain', more);
    };
    more();
  },
  '/silent': () => undefined,
  '/remote.ndjson': (_, answer) => answer.end(`${JSON.stringify({ image: `${base}/busy.png` })}\n`),
  '/paths.ndjson': (_, answer) => answer.end('{"image": "/etc/hostname"}\n'),
};

beforeAll(async () => {
  server = createServer((request, answer) => {
    const page = PAGES[(request.url ?? '').split('?')[0] as string];
    if (page === undefined) answer.writeHead(404).end('<html>');
    else page(request, answer);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

const read = async (path: string, signature = pair, signal?: AbortSignal) => {
  const { files } = await findFiles([base + path], Readable.from([]));
  const source = (files[0] as (typeof files)[number]).source;
  return payloads(await readInput(source, signature, { localFiles: true, signal }));
};
const fetched = async (path: string, signal?: AbortSignal) => {
  const fetcher = new Fetcher('any', signal);
  return fetcher.image(base + path).finally(() => fetcher.close());
};

describe('rows from an address', () => {
  it.each([
    ['/rows.csv?signature=secret', 2],
    ['/moved.ndjson', 1],
  ])('are read in the format of their bytes: %s', async (path, rows) => {
    expect((await read(path)).map((chunk) => chunk.rows)).toEqual([rows]);
  });

  it.each([
    ['/none.csv?signature=secret', 'INPUT_FETCH', /none\.csv answered 404 Not Found/],
    ['/loop', 'INPUT_FETCH', /more than 5/],
    ['/nowhere', 'INPUT_FETCH', /nowhere leads to what is no address/],
    ['/file', 'INPUT_ADDRESS', /^file:\/\/\/etc\/hostname is neither https nor http/],
    ['/ftp', 'INPUT_ADDRESS', /neither https nor http/],
    ['/cut.ndjson', 'INPUT_FETCH', /cut\.ndjson cannot be fetched/],
  ])('end with an error that says what happened: %s', async (path, code, message) => {
    const error = await failure(() => read(path));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message), hint: expect.any(String) });
    expect(error.message).not.toContain('secret');
  });

  it('are not waited for when the caller leaves', async () => {
    const controller = new AbortController();
    const reading = read('/silent', pair, controller.signal);
    await once(server, 'request');
    controller.abort(new Error('left'));
    await expect(reading).rejects.toThrow('left');
  });

  it('in a JSON document get their images several at a time, up to what can be held', async () => {
    const waiting: (() => void)[] = [];
    // Nothing is answered before both are asked for.
    PAGES['/both.png'] = (_, answer) => {
      waiting.push(() => answer.end('\x89PNG'));
      if (waiting.length === 2) for (const send of waiting) send();
    };
    const document = [{ image: `${base}/both.png` }, { image: 'a/path.png' }, { image: `${base}/both.png` }];
    const fetcher = new Fetcher('any');
    const png = expect.objectContaining({ length: 5 });
    expect(await new ImageAddresses(images, fetcher).document(document)).toEqual([
      { image: png },
      { image: 'a/path.png' },
      { image: png },
    ]);
    waiting.length = 0;
    const few = new ImageAddresses(images, fetcher, 9);
    expect(await failure(() => few.document(document))).toMatchObject({
      code: 'INPUT_TOO_LARGE',
      hint: expect.stringContaining('NDJSON'),
    });
    fetcher.close();
  });

  it('name no files of this machine, and no servers in its network', async () => {
    expect(await failure(() => read('/paths.ndjson', images))).toMatchObject({
      code: 'INPUT_IMAGE',
      message: expect.stringMatching(/line 1: \/etc\/hostname is a path, in rows that come from an address/),
    });
    expect(await failure(() => read('/remote.ndjson', images))).toMatchObject({
      code: 'INPUT_ADDRESS',
      message: expect.stringMatching(/line 1: .* is not encrypted/),
    });
  });
});

describe('an image from an address', () => {
  it('is asked for again when the server is busy', async () => {
    busy = 0;
    expect((await fetched('/busy.png')).toString('latin1')).toContain('PNG');
    expect(busy).toBe(2);
  });

  it('is not asked for again after its fetcher was closed, so that nothing keeps the process', async () => {
    let asked = 0;
    const count = ({ url }: { url?: string }) => void (url === '/silent' && asked++);
    server.on('request', count);
    const fetcher = new Fetcher('any');
    const fetching = failure(() => fetcher.image(`${base}/silent`));
    await once(server, 'request');
    fetcher.close();
    expect(await fetching).toMatchObject({ code: 'INPUT_FETCH' });
    server.off('request', count);
    expect(asked).toBe(1);
  });

  it('is refused when it is too large', async () => {
    expect(await failure(() => fetched('/endless.png'))).toMatchObject({ code: 'INPUT_TOO_LARGE' });
  });
});

describe('where an address may lead', () => {
  it.each([
    ['127.0.0.1', false],
    ['10.1.2.3', false],
    ['169.254.169.254', false],
    ['100.64.0.1', false],
    ['0.0.0.0', false],
    ['::1', false],
    ['::ffff:192.168.0.1', false],
    ['::127.0.0.1', false],
    ['64:ff9b::a00:1', false],
    ['2002:a00:1::', false],
    ['fd00::1', false],
    ['::7f00:2', false],
    ['::a00:1', false],
    ['0:0:1::1', false],
    ['fec0::1', false],
    ['4000::1', false],
    ['8.8.8.8', true],
    ['2606:4700::1111', true],
  ])('%s is public: %s', (address, expected) => {
    expect(isPublic(address)).toBe(expected);
  });

  it.each([
    'https://127.0.0.1/x',
    'https://2130706433/x',
    'https://0x7f.1/x',
    'https://[::ffff:10.0.0.1]/x',
    'https://169.254.169.254/latest',
    'https://example.com:22/x',
    'http://example.com/x',
  ])('%s is refused where only public servers are asked', (address) => {
    expect(thrown(() => checkReach(parseAddress(address), 'public')).code).toBe('INPUT_ADDRESS');
  });

  it('a name that leads into a private network is refused when it is connected to', async () => {
    const fetcher = new Fetcher('public');
    const error = await failure(() => fetcher.image('https://localhost/x'));
    fetcher.close();
    expect(error).toMatchObject({ code: 'INPUT_ADDRESS', message: 'localhost is in a private network' });
    const found = await new Promise((done) => publicLookup('localhost', {}, (failed) => done(failed)));
    expect(found).toMatchObject({ code: 'INPUT_ADDRESS' });
  });

  it('a password in it is refused and not shown', async () => {
    for (const address of [
      'https://user:geheim@example.com/x',
      'https://user:geheim@exa mple.com/x',
      'https://user:ge@heim@[::/x',
      'https://exa mple.com/x?signature=geheim',
    ]) {
      const error = thrown(() => parseAddress(address));
      expect([error.code, error.message]).toEqual(['INPUT_ADDRESS', expect.not.stringMatching(/ge@?heim/)]);
    }
  });
});
