import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadSettings, unknownInferVariables } from '../../../src/lib/config/load.js';
import { SETTING_NAMES, settingOf } from '../../../src/lib/config/settings.js';
import { closestWord } from '../../../src/lib/config/suggest.js';

let home: string;
let cwd: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'infer-config-'));
  cwd = join(home, 'project');
  mkdirSync(cwd);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const load = (options: { flags?: object; env?: Record<string, string> } = {}) =>
  loadSettings({ cwd, flags: options.flags ?? {}, env: { HOME: home, ...options.env } });
const project = (config: unknown, name = 'infer.config.json') =>
  writeFileSync(join(cwd, name), typeof config === 'string' ? config : JSON.stringify(config));
const user = (config: unknown) => {
  mkdirSync(join(home, '.config', 'infer'), { recursive: true });
  writeFileSync(join(home, '.config', 'infer', 'config.json'), JSON.stringify(config));
};

describe('the configuration', () => {
  it('has defaults for every setting that needs one', async () => {
    const { values, sources, files } = await load();
    expect(values).toMatchObject({
      prefix: 'infer',
      queues: ['realtime', 'batch', 'default'],
      resultTtl: 3600,
      drainTimeout: 30_000,
      lockTtl: 10_000,
      batchWindow: 0,
      concurrency: 1,
      provider: 'auto',
      logLevel: 'info',
      requireGpu: false,
      stateDir: join(home, '.local', 'state', 'infer'),
      modelsDir: join(cwd, 'models'),
    });
    expect(values.redisUrl).toBeUndefined();
    expect(sources.prefix).toEqual({ kind: 'default', label: 'default' });
    expect(files).toEqual([]);
  });

  it('applies flags, then environment, then project file, then user file', async () => {
    user({ prefix: 'from-user', model: 'from-user', maxBatch: 4, queue: 'from-user' });
    project({ prefix: 'from-project', model: 'from-project', maxBatch: 8 });
    const env = { INFER_PREFIX: 'from-env', INFER_MODEL: 'from-env' };
    const { values, sources, files } = await load({ flags: { prefix: 'from-flag' }, env });
    expect(values).toMatchObject({
      prefix: 'from-flag',
      model: 'from-env',
      maxBatch: 8,
      queue: 'from-user',
    });
    expect(sources.prefix).toEqual({ kind: 'flag', label: '--prefix' });
    expect(sources.model).toEqual({ kind: 'env', label: 'INFER_MODEL' });
    expect(sources.maxBatch).toEqual({ kind: 'file', label: join(cwd, 'infer.config.json') });
    expect(sources.queue.label).toBe(join(home, '.config', 'infer', 'config.json'));
    expect(files).toHaveLength(2);
  });

  it.each([
    ['.inferrc', '{"prefix":"found"}'],
    ['package.json', '{"name":"x","infer":{"prefix":"found"}}'],
    ['infer.config.mjs', 'export default { prefix: "found" }'],
  ])('reads %s', async (name, content) => {
    project(content, name);
    expect((await load()).values.prefix).toBe('found');
  });

  it.each([
    ['malformed', '{"name": "x", }'],
    ['no object', '[]'],
    ['null', 'null'],
    ['empty', ''],
  ])('skips a package.json that is %s and has no settings for infer', async (_, content) => {
    project(content, 'package.json');
    expect((await load()).values.prefix).toBe('infer');
  });

  it('skips a package.json that is a directory, and still searches the folders above', async () => {
    project({ prefix: 'above' });
    const below = join(cwd, 'below');
    mkdirSync(join(below, 'package.json'), { recursive: true });
    expect((await loadSettings({ cwd: below, env: { HOME: home } })).values.prefix).toBe('above');
  });

  it('rejects a malformed package.json with settings for infer', async () => {
    project('{"name": "x", "infer": {"prefix": "x"},}', 'package.json');
    await expect(load()).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining(
        `the configuration file ${join(cwd, 'package.json')} cannot be read: `,
      ),
    });
  });

  it('accepts a byte order mark, and rejects a setting that appears twice', async () => {
    project('\ufeff{"prefix":"marked"}', 'infer.config.json');
    expect((await load()).values.prefix).toBe('marked');
    project('{"prefix":"a","prefix":"b"}', 'infer.config.json');
    await expect(load()).rejects.toThrow("infer.config.json cannot be read: 'prefix' appears twice");
  });

  it.each([
    ['a setting', '{"infer":{"prefix":"a","prefix":"b"}}', 'prefix'],
    ['a field of a setting', '{"infer":{"workers":[{"name":"a","name":"b"}]}}', 'name'],
    ['the section', '{"infer":{"prefix":"a"},"name":"x","infer":{}}', 'infer'],
  ])('rejects %s that appears twice in a package.json', async (_, content, key) => {
    project(content, 'package.json');
    await expect(load()).rejects.toThrow(`package.json cannot be read: '${key}' appears twice`);
  });

  it('ignores duplicates outside its section of package.json', async () => {
    const others = '"name":"x","name":"y","jest":{"infer":1,"infer":2,"prefix":1,"prefix":2}';
    project(`{${others},"infer":{"prefix":"ours"},"last":{"a":1,"a":2}}`, 'package.json');
    expect((await load()).values.prefix).toBe('ours');
  });

  it('finds the project file from a subfolder', async () => {
    project({ prefix: 'above', modelsDir: 'nets' });
    const below = join(cwd, 'a', 'b');
    mkdirSync(below, { recursive: true });
    const { values } = await loadSettings({ cwd: below, env: { HOME: home } });
    expect(values.prefix).toBe('above');
    // A path in a file is relative to that file.
    expect(values.modelsDir).toBe(join(cwd, 'nets'));
  });

  it('treats an empty variable as unset and does not read .env', async () => {
    writeFileSync(join(cwd, '.env'), 'INFER_PREFIX=dotenv\n');
    expect((await load({ env: { INFER_PREFIX: '' } })).values.prefix).toBe('infer');
  });

  it('parses durations, lists and booleans the same from text and files', async () => {
    const env = { INFER_BATCH_WINDOW: '5ms', INFER_QUEUES: 'realtime, batch', INFER_REQUIRE_GPU: 'yes' };
    const fromEnv = (await load({ env })).values;
    project({ batchWindow: '5ms', queues: ['realtime', 'batch'], requireGpu: true, resultTtl: '1h' });
    const fromFile = (await load()).values;
    for (const values of [fromEnv, fromFile]) {
      expect(values).toMatchObject({
        batchWindow: 5,
        queues: ['realtime', 'batch'],
        requireGpu: true,
        resultTtl: 3600,
      });
    }
  });

  it.each([
    ['8,2', { max: 8, min: 2 }],
    [' 8 , 2 ', { max: 8, min: 2 }],
    ['8', { max: 8, min: 1 }],
    ['3,3', { max: 3, min: 3 }],
    [[8, 2], { max: 8, min: 2 }],
    [4, { max: 4, min: 1 }],
  ])('parses runner bounds: %j', async (raw, bounds) => {
    project({ autoscale: raw });
    expect((await load()).values.autoscale).toEqual(bounds);
  });

  it.each(['2,8', '0', '8,0', '257,1', '8,2,1', '8;2', '-8,2', '8.5', 'x', true, null, {}])(
    'rejects runner bounds: %j',
    async (raw) => {
      project({ autoscale: raw });
      await expect(load()).rejects.toMatchObject({
        code: 'CONFIG',
        message: expect.stringContaining('the most runners first'),
      });
    },
  );

  it('is frozen, including lists', async () => {
    const { values } = await load({ flags: { queues: ['a,b', 'a'] } });
    expect(values.queues).toEqual(['a', 'b']);
    expect(Object.isFrozen(values) && Object.isFrozen(values.queues)).toBe(true);
  });

  it('follows NO_COLOR unless it is empty, and CI and TERM', async () => {
    expect((await load({ env: { NO_COLOR: '1' } })).values.noColor).toBe(true);
    expect((await load({ env: { NO_COLOR: '' } })).values.noColor).toBe(false);
    expect((await load({ env: { CI: 'true', TERM: 'dumb' } })).terminal).toEqual({ ci: true, dumb: true });
    expect((await load({ env: { CI: 'false' } })).terminal).toEqual({ ci: false, dumb: false });
  });

  it('falls back to the models of the package', async () => {
    mkdirSync(join(home, 'package', 'models'), { recursive: true });
    const options = { cwd, env: { HOME: home }, packageRoot: join(home, 'package') };
    expect((await loadSettings(options)).values.modelsDir).toBe(join(home, 'package', 'models'));
    mkdirSync(join(cwd, 'models'));
    expect((await loadSettings(options)).values.modelsDir).toBe(join(cwd, 'models'));
  });
});

describe('a configuration error', () => {
  it('names the variable, the rule and the fix, exit 78', async () => {
    await expect(load({ env: { INFER_CONCURRENCY: 'lots' } })).rejects.toMatchObject({
      code: 'CONFIG',
      exitCode: 78,
      message: "INFER_CONCURRENCY: the value 'lots' is not a whole number of 1..256",
      hint: 'INFER_CONCURRENCY=4',
    });
  });

  it('suggests the intended option', async () => {
    await expect(load({ env: { INFER_LOG_LEVEL: 'wran' } })).rejects.toMatchObject({
      hint: 'INFER_LOG_LEVEL=warn',
    });
  });

  it('is a usage error, exit 2, when it comes from a flag', async () => {
    await expect(load({ flags: { maxBatch: '0' } })).rejects.toMatchObject({
      code: 'USAGE',
      exitCode: 2,
      message: "--max-batch: the value '0' is not a whole number of 1..65536",
    });
  });

  it('names the file and the key', async () => {
    project({ lockTtl: '1ms' });
    await expect(load()).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(/infer\.config\.json: 'lockTtl': the value '1ms' is not a duration/),
    });
  });

  it('names unknown keys with a suggestion, and secrets in files', async () => {
    project({ prefx: 'x' });
    await expect(load()).rejects.toMatchObject({ exitCode: 78, hint: "did you mean 'prefix'?" });
    project({ redisPassword: 'x' });
    await expect(load()).rejects.toMatchObject({
      exitCode: 78,
      hint: expect.stringContaining('INFER_REDIS_PASSWORD'),
    });
  });

  it('reports a file that does not parse or is not an object', async () => {
    project('{ nope', 'infer.config.json');
    await expect(load()).rejects.toMatchObject({ code: 'CONFIG', exitCode: 78 });
    project('[1]', 'infer.config.json');
    await expect(load()).rejects.toMatchObject({ code: 'CONFIG', exitCode: 78 });
    await expect(load({ env: { INFER_CONFIG: 'missing.json' } })).rejects.toMatchObject({ code: 'CONFIG' });
  });

  it('never echoes a Redis URL or a password', async () => {
    const bad = await load({ env: { INFER_REDIS_URL: 'http://u:hunter2@host' } }).catch(
      (error: unknown) => error,
    );
    expect(String(bad)).toContain('INFER_REDIS_URL');
    expect(JSON.stringify([String(bad), bad])).not.toContain('hunter2');
  });

  it.each(['/run/secret.sock', './secret.sock', '~/secret.sock', 'unix:/run/secret.sock'])(
    'explains how to write a socket address given as %s, without repeating it, since it may be a password',
    async (path) => {
      await expect(load({ env: { INFER_REDIS_URL: path } })).rejects.toMatchObject({
        message: 'INFER_REDIS_URL: the value is a path: a socket is named by unix:// and its absolute path',
        hint: 'INFER_REDIS_URL=unix:///run/redis/redis.sock',
      });
    },
  );
});

describe('the table of settings', () => {
  it('gives every setting its own variable and a valid example', () => {
    expect(new Set(SETTING_NAMES.map((name) => settingOf(name).env)).size).toBe(SETTING_NAMES.length);
    for (const name of SETTING_NAMES) {
      const { rule, default: value } = settingOf(name);
      expect(rule.read(rule.example), name).toBeDefined();
      if (value !== undefined && typeof value !== 'number') expect(rule.read(value), name).toEqual(value);
    }
  });

  it('finds variables that nothing reads', () => {
    const env = { INFER_REDIS_URI: 'x', INFER_PREFIX: 'x', INFER_QQQQQQQ: 'x', PATH: 'x' };
    expect(unknownInferVariables(env)).toEqual([
      { name: 'INFER_QQQQQQQ' },
      { name: 'INFER_REDIS_URI', suggestion: 'INFER_REDIS_URL' },
    ]);
  });

  it('suggests only similar words', () => {
    expect(closestWord('priorty', ['priority', 'prefix'])).toBe('priority');
    expect(closestWord('zzz', ['priority', 'prefix'])).toBeUndefined();
  });
});
