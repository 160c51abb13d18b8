import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { SETTING_NAMES, settingOf } from '../../src/lib/config/settings.js';
import { ExitCode } from '../../src/lib/core/exit-codes.js';
import { CATALOGUE } from '../../src/lib/doctor/catalogue.js';
import { ROOT } from '../support/cli.js';
import { COMMANDS, callsIn, commandOf, flagsOf, misuse } from './command-line.js';
import { FLOORS } from './house.js';
import { DOC_PAGES, leads } from './links.js';

const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'bench/README.md',
  'models/digits/README.md',
  ...DOC_PAGES,
];

/** Pages that describe the commands of a topic, in addition to its sections in docs/cli.md. */
const PAGES_OF: Readonly<Record<string, string[]>> = {
  autoscale: ['autoscaling.md'],
  bench: ['bench.md'],
  completion: ['completion.md'],
  control: ['control.md'],
  doctor: ['doctor.md'],
  events: ['history.md'],
  inspect: ['inspect.md', 'inspect-jobs.md', 'history.md'],
  metrics: ['metrics.md'],
  down: ['up.md'],
  'redis-tune': ['redis-tune.md'],
  serve: ['serve.md'],
  token: ['serve.md'],
  up: ['up.md'],
  workers: ['workers.md'],
};

/** Flags of other programs that the pages show, by how their lines begin. */
const OTHERS =
  /\b(docker|npm|helm|kubectl|gcloud|node|git|celery|systemctl|maxmemory-gb)\b|--profile gpu|Dragonfly/;

interface Block {
  code: string[];
  prose: string[];
}

/** The lines of fenced blocks, and all other lines. */
function linesOf(file: string): Block {
  const block: Block = { code: [], prose: [] };
  let fenced = false;
  for (const line of read(file).split('\n')) {
    if (/^\s*```/.test(line)) fenced = !fenced;
    else (fenced ? block.code : block.prose).push(line);
  }
  return block;
}

/** Calls as a person types them: lines of code that run `infer`, possibly behind `$`, a pipe or variables. */
function typedCalls(file: string): string[][] {
  const lines = linesOf(file).code.join('\n').replaceAll('\\\n', ' ').split('\n');
  return lines.flatMap((line) => callsIn(line.trim()));
}

/** Calls that prose names, such as `infer redis start|stop`: one call for each alternative. */
function namedCalls(file: string): string[][] {
  const spans = linesOf(file).prose.flatMap((line) =>
    [...line.matchAll(/`infer ([^`]+)`/g)].map(([, call]) => call),
  );
  return spans.flatMap((span) => alternatives((span as string).replaceAll('\\|', '|').split(' ')));
}

function alternatives([first, ...rest]: readonly string[]): string[][] {
  if (first === undefined) return [[]];
  const tails = alternatives(rest);
  // Command words only: the values of a flag may be anything.
  const heads = /^[a-z-]+(\|[a-z-]+)+$/.test(first) ? first.split('|') : [first];
  return heads.flatMap((head) => tails.map((tail) => [head, ...tail]));
}

/** A synopsis or a placeholder: `[-Q a,b]`, `COMMAND`, `…`. */
const bare = (words: readonly string[]) =>
  words.map((word) => word.replace(/^\[|\]$/g, '')).filter((word) => word !== '' && word !== '…');

function faults(words: readonly string[]): string[] {
  const [first = ''] = words;
  if (first === 'help')
    return first in COMMANDS || words.length < 2 || /^[A-Z]/.test(words[1] ?? '') ? [] : misuse(words);
  const topic = Object.keys(COMMANDS).some((id) => id.startsWith(`${first}:`));
  if (topic && words.length === 1) return [];
  if (/^(COMMAND|-)/.test(first)) return [];
  return misuse(words);
}

describe.each(PAGES)('%s', (file) => {
  it('calls only commands and flags that exist', () => {
    const wrong = [...typedCalls(file), ...namedCalls(file)]
      .map((call) => bare(call))
      .filter((call) => call.length > 0)
      .flatMap((call) => faults(call).map((fault) => `infer ${call.join(' ')}: ${fault}`));
    expect(wrong).toEqual([]);
  });

  it('names only flags that some command has', () => {
    const known = new Set(['--help', '--version', ...Object.keys(COMMANDS).flatMap(flagsOf)]);
    const { code, prose } = linesOf(file);
    const wrong = [...code, ...prose]
      .filter((line) => !OTHERS.test(line))
      .flatMap((line) => [...line.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([flag]) => flag))
      .filter((flag) => !known.has(flag));
    expect(wrong).toEqual([]);
  });

  it('names only variables that infer reads', () => {
    const known = new Set<string>([
      ...SETTING_NAMES.map((name) => settingOf(name).env),
      'INFER_DEBUG',
      'INFER_CONFIG',
    ]);
    // A page may show a misspelt command and infer's answer to it.
    const lines = read(file)
      .split('\n')
      .filter((line) => !/did you mean|rename/.test(line));
    const named = [...lines.join('\n').matchAll(/\bINFER_[A-Z_]+\b/g)].map(([name]) => name);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  it('names only scripts that package.json has', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...read(file).matchAll(/\bnpm (?:run ([\w:]+)|(test)\b)/g)].map(
      ([, script, test]) => (script ?? test) as string,
    );
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  it('names only exit codes that exist', () => {
    const codes: readonly number[] = Object.values(ExitCode);
    const named = [...read(file).matchAll(/\b[Ee]xit(?:s|ed)?(?: codes?)?:? (?:with )?(\d+)\b/g)];
    expect(named.map(([, code]) => Number(code)).filter((code) => !codes.includes(code))).toEqual([]);
  });

  it('has only links that resolve', () => {
    const links = [
      ...linesOf(file)
        .prose.join('\n')
        .matchAll(/\]\(([^()\s]+)\)/g),
    ].map(([, target]) => target as string);
    expect(
      links.filter((target) => !/^https?:/.test(target)).filter((target) => !leads(file, target)),
    ).toEqual([]);
  });
});

describe('the documentation checks', () => {
  it('find the calls in a page, and what is wrong with one', () => {
    const typed = typedCalls('docs/quickstart.md').map((call) => call.join(' '));
    // Behind a prompt, in front of `;`, with a comment after it, and plain.
    expect(typed).toContain('worker -Q realtime,batch');
    expect(typed).toContain('result g1m8h1qfg200072h7zbpydbwj3 --output results.ndjson');
    expect(typed).toContain('control set * concurrency 2');
    expect(typed).toContain('autoscale --queue realtime --threshold 50 --min 1 --max 4');
    expect(namedCalls('docs/cli.md').map((call) => call.join(' '))).toContain('redis status');
    expect(faults(['submit', 'a.json', '--prority', '9'])).toEqual(['--prority']);
    expect(faults(['redis', 'restart'])).toEqual(['no command redis']);
    expect(leads('README.md', 'docs/cli.md#exit-code')).toBe(false);
    expect(leads('README.md', 'docs/cli.md#exit-codes')).toBe(true);
    expect(leads('docs/cli.md', 'errors.md#ID_TAKEN')).toBe(true);
    expect(leads('docs/cli.md', 'errors.md#ID_TOKEN')).toBe(false);
  });
});

describe('README.md', () => {
  const text = read('README.md');

  it('fits in 150 lines: longer text belongs in docs/', () => {
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(150);
  });

  it('has its sections in the order that a newcomer needs', () => {
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual([
      'Start',
      'Part by part',
      'Over HTTP',
      'The library',
      'Compared',
      'More',
    ]);
  });

  it('links to every page of docs/', () => {
    expect(DOC_PAGES.filter((page) => !text.includes(`](${page})`))).toEqual([]);
  });
});

describe('docs/images', () => {
  const images = readdirSync(path.join(ROOT, 'docs/images'));

  it('has only pictures that a page shows', () => {
    const text = PAGES.map(read).join('\n');
    expect(images.filter((file) => !text.includes(`images/${file}`))).toEqual([]);
  });

  it('is small, so that a clone stays small: 1.5 MB in all', () => {
    const sizes = images.map((file) => statSync(path.join(ROOT, 'docs/images', file)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(1.5 * 1024 * 1024);
  });
});

describe('docs/cli.md', () => {
  const [opening = '', ...sections] = read('docs/cli.md').split(/^## /m);
  const shown = Object.entries(COMMANDS).filter(([, { hidden }]) => hidden !== true);
  const topicOf = (id: string) => id.split(':')[0] as string;
  const about = (topic: string) =>
    [
      ...sections.filter((section) => new RegExp(`^${topic}\\b(?!-)`).test(section)),
      ...(PAGES_OF[topic] ?? [])
        .map((page) => `docs/${page}`)
        .filter((page) => existsSync(path.join(ROOT, page)))
        .map(read),
    ].join('\n');

  it('lists every command', () => {
    const listed = namedCalls('docs/cli.md').map((call) => commandOf(bare(call))?.id);
    const missing = shown
      .map(([id]) => id)
      .filter((id) => !listed.includes(id) && !about(topicOf(id)).includes(id.replace(':', ' ')));
    expect(missing).toEqual([]);
  });

  it.each(shown)('names every flag of %s, or its own page does', (id, { flags }) => {
    const named = (text: string, name: string, char?: string) =>
      new RegExp(`--(\\[no-\\])?${name}(?![a-z-])`).test(text) ||
      (char !== undefined && new RegExp(`(?<![\\w-])-${char}(?!\\w)`).test(text));
    const text = about(topicOf(id));
    const missing = Object.values(flags)
      .filter(({ hidden }) => hidden !== true)
      .filter(({ name, char }) => !named(opening, name) && !named(text, name, char))
      .map(({ name }) => name);
    expect(missing).toEqual([]);
  });
});

describe('docs/', () => {
  const pages = PAGES.filter((file) => file.startsWith('docs/'));

  it('names every variable that infer reads', () => {
    const text = pages.map(read).join('\n');
    const missing = SETTING_NAMES.map((name) => settingOf(name))
      // A flag is checked by the page of its command.
      .filter(({ env, flag }) => flag === undefined && !new RegExp(`\\b${env}\\b`).test(text))
      .map(({ env }) => env);
    expect(missing).toEqual([]);
  });

  it('has each check of infer doctor in the table of docs/doctor.md, and no other', () => {
    const rows = [
      ...read('docs/doctor.md').matchAll(
        /^\| `((?:redis|results|queue|worker|models|gpu|config|system)-[a-z-]+)`/gm,
      ),
    ];
    expect(rows.map(([, id]) => id).sort()).toEqual(CATALOGUE.map(({ id }) => id).sort());
  });
});

describe('docs/architecture.md', () => {
  const text = read('docs/architecture.md');

  it('has the floors that the code follows', () => {
    const rows = [...text.matchAll(/^\| *(\d) *\| (.*?) *\|$/gm)];
    const told = rows.flatMap(([, floor, folders = '']) =>
      [...folders.matchAll(/`(?:src\/)?([\w-]+)`/g)].map(([, folder]) => [folder, Number(floor)]),
    );
    expect(Object.fromEntries(told)).toEqual(FLOORS);
  });

  it('names only files that exist', () => {
    const named = [...text.matchAll(/`((?:\w+\/)[a-z/-]+)(\.ts)?`/g)].map(([, name]) => name as string);
    expect(named.length).toBeGreaterThan(10);
    const there = (name: string) =>
      ['', 'src/lib/'].some((dir) =>
        ['', '.ts'].some((end) => existsSync(path.join(ROOT, dir + name + end))),
      );
    expect(named.filter((name) => !there(name))).toEqual([]);
  });
});
