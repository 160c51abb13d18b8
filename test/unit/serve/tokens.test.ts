import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { askToken } from '../../../src/lib/serve/auth/ask-token.js';
import { SCOPES } from '../../../src/lib/serve/auth/caller.js';
import {
  addToken,
  readTokenFile,
  removeToken,
  rotateToken,
  tokensIn,
} from '../../../src/lib/serve/auth/token-file.js';
import { TokenStore } from '../../../src/lib/serve/auth/token-store.js';
import { createApp } from '../../../src/lib/serve/http/app.js';
import { type Listening, listen } from '../../../src/lib/serve/http/listen.js';
import { until } from '../../support/cli.js';
import { keepLog } from '../../support/log-lines.js';

vi.mock('../../../src/lib/serve/auth/token-file.js', async (load) => {
  const real = await load<typeof import('../../../src/lib/serve/auth/token-file.js')>();
  return { ...real, readTokenFile: vi.fn(real.readTokenFile) };
});

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'infer-tokens-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const ends: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const end of ends.splice(0)) await end();
});

let files = 0;
const newFile = () => join(dir, `tokens-${++files}.json`);
const storeOf = (file: string, log = keepLog()) => {
  const store = new TokenStore(file, log.log);
  ends.push(() => store.close());
  return store;
};
const web = { name: 'web', scopes: ['submit', 'read'] as const };

it('stores the digest of a token and never the token, in a file that only its owner can read', async () => {
  const file = newFile();
  const { token } = await addToken(file, { ...web, models: ['digits'], limits: { rate: 5 } });
  expect(token).toMatch(/^inf_[\w-]{32}$/);
  const text = readFileSync(file, 'utf8');
  expect(text).not.toContain(token.slice(4));
  expect(text).toContain(createHash('sha256').update(token).digest('hex'));
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const caller = storeOf(file).find(token);
  expect(caller).toMatchObject({ name: 'web', models: ['digits'], limits: { rate: 5 } });
  expect(SCOPES.filter((scope) => caller?.allows(scope))).toEqual(['submit', 'read']);
  expect(storeOf(file).find(`${token}x`)).toBeUndefined();
  // Nothing is left beside it, neither a lock nor half a file.
  expect(readdirSync(dir).filter((name) => name.startsWith('tokens-1') || name.startsWith('.'))).toEqual([
    'tokens-1.json',
  ]);
});

it('changes the target of a symbolic link, one change at a time', async () => {
  const file = newFile();
  await addToken(file, web);
  const link = join(dir, 'link.json');
  symlinkSync(file, link);
  await Promise.all(['a', 'b', 'c', 'd'].map((name) => addToken(link, { ...web, name })));
  expect(statSync(link).ino).toBe(statSync(file).ino);
  expect(
    tokensIn(file)
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['a', 'b', 'c', 'd', 'web']);
  await expect(addToken(file, web)).rejects.toMatchObject({ code: 'TOKEN_EXISTS' });
  await expect(removeToken(file, 'none')).rejects.toMatchObject({ code: 'TOKEN_UNKNOWN' });
  await expect(addToken(file, { ...web, name: 'a b' })).rejects.toMatchObject({ code: 'TOKEN_NAME' });
});

const ODD_MODELS = ['digits@2', 'a b', '', '-x', 'x'.repeat(129)];
it.each(ODD_MODELS)('never writes what it cannot read: the model %j', async (model) => {
  const file = newFile();
  const { token } = await addToken(file, web);
  const before = readFileSync(file, 'utf8');
  const adding = addToken(file, { ...web, name: 'other', models: ['digits', model] });
  const hint = model === 'digits@2' ? expect.stringContaining('--model digits') : expect.anything();
  await expect(adding).rejects.toMatchObject({ code: 'TOKEN_MODEL_NAME', hint });
  expect(readFileSync(file, 'utf8')).toBe(before);
  expect(storeOf(file).find(token)?.name).toBe('web');
});

it('never writes limits that it cannot read', async () => {
  const file = newFile();
  const limits = { models: { 'digits@2': { rate: 1 } } };
  await expect(addToken(file, { ...web, limits })).rejects.toThrow(/no model name/);
  expect(tokensIn(file)).toEqual([]);
});

it('keeps who may read the file when it changes', async () => {
  const file = newFile();
  await addToken(file, web);
  chmodSync(file, 0o640);
  await addToken(file, { ...web, name: 'other' });
  expect(statSync(file).mode & 0o777).toBe(0o640);
});

it.runIf(process.getuid?.() === 0)('keeps the owner of the file when another user changes it', async () => {
  const file = newFile();
  await addToken(file, web);
  chownSync(file, 1234, 4321);
  await removeToken(file, 'web');
  expect([statSync(file).uid, statSync(file).gid]).toEqual([1234, 4321]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

it('reads the file again when it could not be read for a moment, without another change of it', async () => {
  const file = newFile();
  const { token } = await addToken(file, web);
  const kept = keepLog();
  const store = storeOf(file, kept);
  vi.mocked(readTokenFile).mockImplementationOnce(() => {
    throw new InferError('TOKEN_FILE', 'it cannot be read (EMFILE)');
  });
  await removeToken(file, 'web');
  await until(async () => kept.troubles.length === 1);
  await until(async () => store.find(token) === undefined);
  expect(kept.troubles).toHaveLength(1);
});

it('takes a new secret while the old one still works for a time, under the same name', async () => {
  const file = newFile();
  const { token: first } = await addToken(file, web);
  const { token: second } = await rotateToken(file, 'web', { overlapMs: 60_000 });
  const store = storeOf(file);
  expect([store.find(first)?.name, store.find(second)?.name]).toEqual(['web', 'web']);
  vi.useFakeTimers({ now: Date.now() + 61_000, toFake: ['Date'] });
  expect(store.find(first)).toBeUndefined();
  expect(store.find(second)?.name).toBe('web');
  const { token: third } = await rotateToken(file, 'web', { overlapMs: 0 });
  const later = storeOf(file);
  expect([later.find(second), later.find(third)?.name]).toEqual([undefined, 'web']);
});

it('reloads the file when it changes, and keeps the tokens when it is invalid or missing', async () => {
  const file = newFile();
  const { token } = await addToken(file, web);
  const kept = keepLog();
  const store = storeOf(file, kept);
  const { token: other } = await addToken(file, { ...web, name: 'other' });
  await until(async () => store.find(other));
  const good = readFileSync(file);
  for (const broken of ['{"version": 1, "tokens": [', '{"version":1,"tokens":[{"name":"web"}]}', '']) {
    const before = kept.troubles.length;
    writeFileSync(file, broken);
    await until(async () => (kept.troubles.length > before ? true : undefined));
    expect(store.find(token)?.name).toBe('web');
  }
  rmSync(file);
  await until(async () => (kept.troubles.length === 4 ? true : undefined));
  expect(store.find(token)?.name).toBe('web');
  expect(kept.troubles[0]?.reason).toMatch(/is not a token file: it is not JSON/);
  writeFileSync(file, good);
  await removeToken(file, 'web');
  await until(async () => (store.find(token) === undefined ? true : undefined));
  expect(store.find(other)?.name).toBe('other');
  expect(kept.text).not.toContain(token.slice(4));
});

it.each([
  ['[]', /the document is not an object/],
  ['{"version":2,"tokens":[]}', /version is not 1/],
  ['{"version":1,"tokens":[],"more":1}', /unknown member more/],
  [
    '{"version":1,"tokens":[{"name":"a","scopes":["root"],"secrets":[]}]}',
    /scopes: the scopes are submit, read/,
  ],
  [
    '{"version":1,"tokens":[{"name":"a","scopes":[],"secrets":[{"sha256":"x"}]}]}',
    /sha256 is not a SHA-256 digest/,
  ],
  [
    '{"version":1,"tokens":[{"name":"a","scopes":[],"secrets":[],"limits":{"rate":-1}}]}',
    /limits.rate is out of range/,
  ],
  [
    '{"version":1,"tokens":[{"name":"a","scopes":[],"secrets":[],"limits":{"models":{"m":{"jobs":0.5}}}}]}',
    /limits.models.m.jobs is out of range/,
  ],
])('does not start with the file %s', (text, reason) => {
  const file = newFile();
  writeFileSync(file, text);
  expect(() => storeOf(file)).toThrow(expect.objectContaining({ code: 'TOKEN_FILE' }));
  expect(() => storeOf(file)).toThrow(reason);
});

it('checks what each route requires: 401 without a valid token, 403 without the scope', async () => {
  const file = newFile();
  const { token } = await addToken(file, web);
  const { token: all } = await addToken(file, { name: 'all', scopes: ['read:all'] });
  const app = createApp({ maxBody: 10, answerMs: 1000, connections: 10, onFailure: () => undefined });
  askToken(app, storeOf(file));
  app.get('/open', { config: { access: 'open' } }, async (request) => ({
    may: request.caller.allows('read'),
  }));
  app.get('/plain', async (request) => ({ name: request.caller.name }));
  for (const scope of SCOPES)
    app.get(`/${scope.replace(':', '-')}`, { config: { access: scope } }, async () => 1);
  const server: Listening = await listen(app, { host: '127.0.0.1', port: 0 });
  ends.push(() => server.close(0));
  const ask = async (path: string, header?: string) => {
    const headers: Record<string, string> = header === undefined ? {} : { authorization: header };
    const answer = await fetch(server.url + path, { headers });
    return [answer.status, answer.headers.get('www-authenticate')];
  };
  expect(await (await fetch(`${server.url}/open`)).json()).toEqual({ may: false });
  const none = 'Bearer realm="infer"';
  const invalid = `${none}, error="invalid_token"`;
  for (const path of ['/plain', '/submit', '/control', '/no-such-address']) {
    expect(await ask(path)).toEqual([401, none]);
    expect(await ask(path, `Bearer ${token}x`)).toEqual([401, invalid]);
    expect(await ask(path, `Basic ${token}`)).toEqual([401, none]);
  }
  expect(await ask('/plain', `bearer ${token}`)).toEqual([200, null]);
  expect(await ask('/no-such-address', `Bearer ${token}`)).toEqual([404, null]);
  expect((await ask('/submit', `Bearer ${token}`))[0]).toBe(200);
  for (const path of ['/read', '/read-all', '/metrics'])
    expect((await ask(path, `Bearer ${all}`))[0]).toBe(200);
  expect((await ask('/metrics', `Bearer ${token}`))[0]).toBe(403);
  expect(await ask('/control', `Bearer ${token}`)).toEqual([
    403,
    `${none}, error="insufficient_scope", scope="control"`,
  ]);
  expect((await ask('/read-all', `Bearer ${token}`))[0]).toBe(403);
});
