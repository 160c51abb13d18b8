import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { LOCK_MS } from '../../src/lib/core/bounds.js';
import {
  INSTALLATION_KEY,
  INSTALLATION_KEY_OF,
  QUEUE_BUCKET,
  QUEUE_KEY,
  QUEUE_KEY_OF,
} from '../../src/lib/core/key-parts.js';
import { LAYOUTS } from '../../src/lib/queue/layout.js';
import * as wire from '../../src/lib/queue/wire.js';
import { kindOf } from '../chaos/key-kinds.js';
import { ROOT } from '../support/cli.js';
import { withoutComments } from './source.js';

const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const [, SECTION = ''] = /\n## Wire format\n([\s\S]*?)\n## /.exec(read('docs/architecture.md')) ?? [];
/** The first cells of the tables' rows. */
const ROWS = [...SECTION.matchAll(/^\| `([^`]+)`/gm)].map(([, cell]) => cell as string);

const layoutFile = (number: number): string => `test/fixtures/layout-${number}/data.json`;

const sources = (folder: string): string[] =>
  readdirSync(path.join(ROOT, folder), { recursive: true })
    .map((file) => `${folder}/${String(file)}`)
    .filter((file) => file.endsWith('.ts'));
const SCRIPTS = sources('src/lib/queue/lua');

/** Shared numbers that mean nothing else in a script; 1000 is also the ms of a second. */
const isTelling = (value: unknown): value is number =>
  typeof value === 'number' && value >= 256 && value !== 1000;

/** The code of a source without comments, including Lua's. */
const codeOf = (file: string): string => withoutComments(read(file)).replace(/(^|\s)--[^\n]*/g, '$1');

describe('the wire format in docs/architecture.md', () => {
  it('has a row for each key of a queue, and no other', () => {
    const alone = Object.values(QUEUE_KEY).map((part) => `:${part}`);
    const words = [...Object.values(QUEUE_KEY_OF), ...Object.values(QUEUE_BUCKET)].map(
      (part) => `:${part}:<>`,
    );
    const shown = ROWS.filter((row) => row.startsWith(':')).map((row) => row.replace(/<\w+>/, '<>'));
    expect(shown.sort()).toEqual([...alone, ...words].sort());
  });

  it('names each key of the installation, and no other', () => {
    const [, list = ''] =
      /\*\*Keys of the installation\*\*, behind `\{prefix\}`:([\s\S]*?)\n\n/.exec(SECTION) ?? [];
    const shown = [...list.matchAll(/`(:[^`]+)`/g)].map(([, key]) => (key as string).replace(/<\w+>/, '<>'));
    const alone = Object.values(INSTALLATION_KEY).map((part) => `:${part}`);
    expect(shown.sort()).toEqual(
      [...alone, ...Object.values(INSTALLATION_KEY_OF).map((part) => `:${part}:<>`)].sort(),
    );
  });

  it('has a row for each short field of a job, and no other', () => {
    expect(ROWS.filter((row) => !row.startsWith(':')).sort()).toEqual(Object.values(wire.JOB).sort());
  });

  it('names the fields of groups, buckets, the index and the data, and the outcomes of a hold', () => {
    const prefixes = [
      wire.GROUP.sender,
      wire.GROUP.movedTo,
      wire.STATS.addedOf,
      wire.FILED.route,
      wire.FILED.reached,
    ] as string[];
    const groups = [wire.GROUP, wire.STATS, wire.FILED, wire.DATA, wire.HOLD_END];
    for (const name of groups.flatMap((group) => Object.values<string>(group))) {
      expect(SECTION).toContain(prefixes.includes(name) ? `\`${name}<` : `\`${name}\``);
    }
  });

  it('lists the positions of a settle argument and of a take reply', () => {
    const named = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(', ');
    const text = SECTION.replace(/\s+/g, ' ');
    expect(text).toContain(`A settle says of each job ${named(wire.SETTLE_FIELDS)}.`);
    expect(text).toContain(`A take answers of each job ${named(wire.TAKE_REPLY)}.`);
  });

  it('has the numbers and the layout version', () => {
    const numbers = Object.values(wire).filter(
      (value) => typeof value === 'number' && value !== wire.TAKE_HEAD,
    );
    const [, line = ''] = /\*\*Numbers\.\*\*([\s\S]*?)\n\n/.exec(SECTION) ?? [];
    const shown = [...line.matchAll(/\b\d+\b/g)].map(([digits]) => Number(digits));
    expect(shown.sort()).toEqual([...numbers].sort());
    expect(SECTION).toContain(`Today's is ${LAYOUTS.at(-1)?.number}`);
  });
});

it('each layout has a fixture of data in test/fixtures, as its last release left it', () => {
  const lacking = LAYOUTS.filter(({ number }) => !existsSync(path.join(ROOT, layoutFile(number))));
  expect(lacking).toEqual([]);
});

describe('the names of the wire format', () => {
  it("match the chaos suite's independent list, which bounds each of them", () => {
    const queue = [
      ...Object.values(QUEUE_KEY),
      ...Object.values(QUEUE_KEY_OF).map((part) => `${part}:word`),
      ...Object.values(QUEUE_BUCKET).map((part) => `${part}:1`),
    ];
    for (const part of queue) expect(kindOf(`{p:q}:${part}`, 'p'), part).toBeDefined();
    const whole = [
      ...Object.values(INSTALLATION_KEY),
      ...Object.values(INSTALLATION_KEY_OF).map((part) => `${part}:word`),
    ];
    for (const part of whole) expect(kindOf(`{p}:${part}`, 'p'), part).toBeDefined();
  });

  it('appear nowhere else in the Lua scripts: no key, short field, position or shared number', () => {
    const parts = [
      ...Object.values(QUEUE_KEY),
      ...Object.values(QUEUE_KEY_OF),
      ...Object.values(QUEUE_BUCKET),
    ];
    // `cancelled` and `expired` are states as well; a failure's field `f` and a list's `m` are not.
    const literals = [
      new RegExp(`'[:](?:${parts.join('|')})[:']`),
      new RegExp(`'(?:${Object.values(wire.JOB).join('|')})'`),
      new RegExp(`'(?:${[wire.GROUP.rowsDone, wire.GROUP.completed, wire.GROUP.failed].join('|')})'`),
      /'(?:s|mv|m):'/,
      /\bf\[\d+\]/,
      new RegExp(`\\b(?:${[...Object.values(wire).filter(isTelling), LOCK_MS].join('|')})\\b`),
    ];
    const found = SCRIPTS.flatMap((file) =>
      codeOf(file)
        .split('\n')
        .filter((line) => literals.some((literal) => literal.test(line)))
        .map((line) => `${file}: ${line.trim()}`),
    );
    expect(found).toEqual([]);
  });

  it('of a group appear nowhere else in the Lua scripts: no field is written out', () => {
    // Fields that a job's hash has too are written out for jobs; lua/group.ts is about groups alone.
    const shared = ['timestamp', 'priority', 'finishedOn'];
    const names = Object.values(wire.GROUP).filter((name) => name.length > 2);
    const own = names.filter((name) => !shared.includes(name));
    const found = SCRIPTS.flatMap((file) => {
      const literal = new RegExp(`'(?:${(file.endsWith('/group.ts') ? names : own).join('|')})'`);
      // An answer, such as 'closed', is no field; nor is the name of an event.
      const lines = codeOf(file)
        .replace(/\breturn\b[^\n]*/g, '')
        .replace(/'event', '\w+'/g, '')
        .split('\n');
      return lines.filter((line) => literal.test(line)).map((line) => `${file}: ${line.trim()}`);
    });
    expect(found).toEqual([]);
  });

  it('of a group appear nowhere else in the TypeScript that reads and writes groups', () => {
    const long = Object.values(wire.GROUP).filter((name) => name.length > 2);
    const literals = [
      new RegExp(`groupKey\\([^\\n]*'(?:${long.join('|')})'`),
      /\bhm?get\([^)]*'(?:owner|digest|content)'/i,
      /\bfields\.(?:model|layout|jobs|added|rows|closed|start|abandoned|moved|ttl|own|leaving|early|cutting|owner|digest|content)\b/,
      /\.\.\.\(\w+ === undefined \? \{\} : \{ (?:start|layout) \}\)/,
    ];
    const files = [...sources('src/lib'), ...sources('src/commands')].filter((file) =>
      /\bgroupKey\b|'inferOpenGroup'/.test(read(file)),
    );
    expect(files).toContain('src/lib/queue/read/reader.ts');
    const found = files.filter((file) => literals.some((literal) => literal.test(codeOf(file))));
    expect(found).toEqual([]);
  });

  it('appear nowhere else in TypeScript: no key and no shared number', () => {
    const parts = [...Object.values(QUEUE_KEY_OF), ...Object.values(QUEUE_BUCKET)];
    const literals = [
      new RegExp(`\\}:(?:${parts.join('|')}):`),
      /\b(?:PRIORITY_STEP|DELAYED_\w+|CANCELLED_TTL|EXPIRED_TTL) = [\d(]/,
    ];
    const found = [...sources('src/lib'), ...sources('src/commands')]
      .filter((file) => file !== 'src/lib/queue/wire.ts')
      .filter((file) => literals.some((literal) => literal.test(codeOf(file))));
    expect(found).toEqual([]);
  });

  it('are all substituted: no script contains a placeholder', async () => {
    for (const file of SCRIPTS) {
      const module = (await import(path.join(ROOT, file))) as Record<string, unknown>;
      for (const [name, text] of Object.entries(module)) {
        if (typeof text !== 'string') continue;
        expect(text, `${file} ${name}`).not.toMatch(/undefined|\[object|\$\{/);
      }
    }
  });
});
