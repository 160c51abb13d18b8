import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { SETTING_NAMES, settingOf } from '../../src/lib/config/settings.js';
import { EXIT_CODES, ExitCode } from '../../src/lib/core/exit-codes.js';
import { aclRules } from '../../src/lib/redis/acl.js';
import { setUser } from '../support/acl.js';
import { ROOT, useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);
const document = readFileSync(path.join(ROOT, 'docs/exit-codes.md'), 'utf8');

describe('infer help exit-codes', () => {
  it('lists each code once, as defined in the code', async () => {
    const run = await infer.run(['help', 'exit-codes']);
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    const rows = run.stdout.trimEnd().split('\n').slice(1);
    expect(rows).toEqual(EXIT_CODES.map(({ code, meaning, example }) => `${code}\t${meaning}\t${example}`));
    expect(EXIT_CODES.map(({ code }) => code).sort()).toEqual(Object.values(ExitCode).sort());
    expect((await infer.run(['help', 'exit-codes', '--json'])).json()).toEqual({ exitCodes: EXIT_CODES });
  });

  it('matches docs/exit-codes.md', () => {
    const rows = [...document.matchAll(/^\| *(\d+) *\| (.*?) *\| (.*?) *\|$/gm)].map(
      ([, code, meaning, example]) => ({
        code: Number(code),
        meaning,
        example: example?.replaceAll('`', ''),
      }),
    );
    expect(rows).toEqual(EXIT_CODES);
  });

  // The examples that need neither a worker nor a person, run as written.
  it.each([1, 2, 65, 66, 69, 78])('has an example for %i that exits with it', async (code) => {
    infer.file('broken.json', '{"pixels": [1, 2');
    infer.file('data.json', readFileSync(ONE_DIGIT));
    const { example } = EXIT_CODES.find((one) => one.code === code) ?? { example: '' };
    const words = example.split(':  ')[0]?.replace(/: .*/, '').split(' ') ?? [];
    const env = Object.fromEntries(
      words.filter((word) => /^[A-Z_]+=/.test(word)).map((word) => word.split('=') as [string, string]),
    );
    const args = words.slice(words.indexOf('infer') + 1);
    const run = await infer.run(args, { env, cwd: infer.dir });
    expect(run.exitCode, `${args.join(' ')}: ${run.stderr}`).toBe(code);
  });

  it('has examples for 75 and 77 that exit with them', async () => {
    await setUser(redis, 'looker', 'secret', aclRules('inspector', 'infer'));
    const asLooker = { INFER_REDIS_URL: `${redis.url.replace('unix://', 'unix://looker:secret@')}` };
    expect((await infer.run(['submit', ONE_DIGIT], { env: asLooker })).exitCode).toBe(77);
    const { id } = (await infer.run(['submit', ONE_DIGIT, '--json'])).json<{ id: string }>();
    expect((await infer.run(['result', id, '--wait', '10ms'])).exitCode).toBe(75);
  });
});

describe('infer help environment', () => {
  it('lists every variable and where it is set, and no secret', async () => {
    const env = { INFER_RETRIES: '7', INFER_METRICS_TOKEN: 'hidden-t0ken' };
    const run = await infer.run(['help', 'environment', '--json'], { env });
    const { variables } = run.json<{ variables: { name: string; source: string }[] }>();
    expect(variables.map(({ name }) => name)).toEqual(SETTING_NAMES.map((name) => settingOf(name).env));
    expect(variables.find(({ name }) => name === 'INFER_RETRIES')?.source).toBe('env');
    expect(variables.find(({ name }) => name === 'INFER_PREFIX')?.source).toBe('default');
    const table = await infer.run(['help', 'environment'], { env });
    expect(table.stdout).toMatch(/^INFER_RETRIES\t--retries\t.*\t2\tenv$/m);
    expect(run.stdout + table.stdout).not.toContain('hidden-t0ken');
  });

  it('does not change the help of commands', async () => {
    const run = await infer.run(['help', 'submit']);
    expect(run.exitCode).toBe(0);
    expect(run.stdout).toContain('$ infer submit FILE');
  });
});

describe('help', () => {
  it.each([
    [
      ['help', 'exitcodes'],
      "Error: there is no help on 'exitcodes'\nTry: did you mean 'infer help exit-codes'?\n",
    ],
    [['sbumit', '--help'], "Error: there is no help on 'sbumit'\nTry: did you mean 'infer help submit'?\n"],
    [['--versoin'], "Error: there is no flag --versoin\nTry: did you mean 'infer --version'?\n"],
  ])('suggests the intended word for %j and exits 2', async (words, stderr) => {
    expect(await infer.run(words)).toMatchObject({ exitCode: 2, stdout: '', stderr });
  });

  it('answers an unknown topic with one JSON document under --json', async () => {
    const run = await infer.run(['help', 'exitcodes', '--json']);
    expect(run).toMatchObject({ exitCode: 2, stderr: '' });
    expect(run.json()).toMatchObject({ ok: false, error: { code: 'USAGE', exitCode: 2 } });
  });

  it('is shown even when a variable is invalid', async () => {
    const env = { INFER_RETRIES: 'many' };
    for (const topic of ['submit', 'exit-codes', 'environment', 'help'])
      expect(await infer.run(['help', topic], { env }), topic).toMatchObject({ exitCode: 0 });
    expect((await infer.run(['help', 'environment'], { env })).stderr).toMatch(/^Warning: INFER_RETRIES: /);
  });
});
