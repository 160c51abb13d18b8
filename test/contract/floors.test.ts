import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { breaches, type SourceFile } from './house.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

function repository(): SourceFile[] {
  return ['bin', 'src', 'scripts', 'test', 'bench', 'examples'].flatMap((folder) => filesUnder(folder));
}

function filesUnder(folder: string): SourceFile[] {
  let entries: ReturnType<typeof list>;
  try {
    entries = list(folder);
  } catch {
    return []; // bench/ and examples/ may contain no code, or not exist
  }
  return entries
    .filter((entry) => entry.isFile() && /\.[mc]?[jt]sx?$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !file.includes('node_modules') && !file.endsWith('floors.test.ts')) // contains planted breaches
    .map((file) => ({
      path: path.relative(root, file).replaceAll(path.sep, '/'),
      text: readFileSync(file, 'utf8'),
    }));
}

function list(folder: string) {
  return readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true });
}

const lines = (count: number) => 'x;\n'.repeat(count);

describe('the repository', () => {
  it('breaks none of the architecture rules', () => {
    expect(breaches(repository())).toEqual([]);
  });

  it('is checked as a whole', () => {
    const paths = repository().map((file) => file.path);
    expect(paths).toEqual(
      expect.arrayContaining(['bin/run.js', 'src/lib/core/job.ts', 'src/web/main.tsx', 'scripts/setup.mjs']),
    );
  });
});

describe('the architecture rules', () => {
  it.each([
    [
      'an import that goes up',
      'core/job.ts',
      "import { x } from '../config/load.js';",
      /imports go down only/,
    ],
    ['a type import that goes up', 'redis/a.ts', "import type { X } from '../queue/keys.js';", /down only/],
    ['an import over several lines', 'core/a.ts', "import {\n  x,\n  y,\n} from '../cli/a.js';", /down only/],
    ['a re-export that goes up', 'core/a.ts', "export * from '../worker/a.js';", /down only/],
    ['an import for its effect', 'core/a.ts', "import '../worker/a.js';", /down only/],
    ['a late import that goes up', 'core/a.ts', "const x = await import('../worker/a.js');", /down only/],
    ['a type in place', 'core/a.ts', "type X = import('../worker/a.js').X;", /down only/],
    ['neighbours on floor 1', 'telemetry/a.ts', "import { x } from '../config/a.js';", /down only/],
    ['neighbours on floor 2', 'model/a.ts', "import { x } from '../redis/a.js';", /down only/],
    ['queue that knows batch', 'queue/a.ts', "import { x } from '../batch/planner.js';", /down only/],
    ['batch that knows queue', 'batch/a.ts', "import type { X } from '../queue/types.js';", /down only/],
    ['neighbours on floor 4', 'tune/a.ts', "import { x } from '../deployment/a.js';", /down only/],
    [
      'a reading that knows the client',
      'deployment/a.ts',
      "import { x } from '../client/a.js';",
      /down only/,
    ],
    ['neighbours on floor 5', 'tune/a.ts', "import { x } from '../doctor/a.js';", /down only/],
    [
      'a diagnosis that knows the terminal',
      'deployment/a.ts',
      "import { x } from '../cli/a.js';",
      /down only/,
    ],
    ['metrics that know the server', 'metrics/a.ts', "import { x } from '../serve/a.js';", /down only/],
    ['lib that knows commands', 'cli/a.ts', "import X from '../../commands/submit.js';", /down only/],
    ['worker on the read side', 'worker/a.ts', "import { x } from '../queue/read/inspector.js';", /hot path/],
    [
      'worker on Redis',
      'worker/a.ts',
      "import { x } from '../queue/broker/consumer.js';",
      /behind the consumer's port/,
    ],
    ['worker on the register', 'worker/a.ts', "import { x } from '../queue/registry.js';", /consumer's port/],
    ['the library entry inside', 'worker/a.ts', "import { x } from '../index.js';", /library entry/],
    ['the client of a gateway inside', 'worker/a.ts', "import { x } from '../http.js';", /library entry/],
    ['a client of a gateway in a command', 'http.ts', "export * from './cli/a.js';", /ends at floor 6/],
    ['the library showing the terminal', 'index.ts', "export * from './cli/a.js';", /ends at floor 5/],
    ['a folder without a floor', 'stuff/a.ts', '', /no floor/],
    ['a file without a floor', 'a.ts', '', /no floor/],
    ['ioredis outside redis/', 'queue/a.ts', "import { Redis } from 'ioredis';", /only src\/lib\/redis\//],
    [
      'a type of ioredis outside redis/',
      'queue/a.ts',
      "import type { Redis } from 'ioredis';",
      /only src\/lib/,
    ],
    ['bullmq outside queue/', 'worker/a.ts', "import { Queue } from 'bullmq';", /only src\/lib\/queue\//],
    [
      'a part of bullmq',
      'worker/a.ts',
      "import { x } from 'bullmq/dist/esm/x.js';",
      /only src\/lib\/queue\//,
    ],
    [
      'onnxruntime elsewhere in model/',
      'model/a.ts',
      "import * as o from 'onnxruntime-node';",
      /onnx-session/,
    ],
    ['a barrel', 'queue/index.ts', '', /barrel/],
    ['process.env', 'worker/a.ts', 'const x = process.env.HOME;', /process\.env/],
    [
      'process.env in a template',
      'worker/a.ts',
      'const x = `' + '$' + '{process.env.HOME}`;',
      /process\.env/,
    ],
    ['process.env by its name', 'worker/a.ts', "const x = process['env'];", /process\.env/],
    ['process.env taken apart', 'worker/a.ts', 'const { env } = process;', /process\.env/],
    ['process by import', 'worker/a.ts', "import { env } from 'node:process';", /use the global/],
    ['process.exit', 'worker/a.ts', 'process.exit(1);', /ends the process/],
    ['a signal', 'worker/a.ts', "process.once('SIGTERM', stop);", /hears signals/],
    ['import.meta.url', 'worker/a.ts', 'const x = import.meta.url;', /a bundle moves it/],
    ['a file that is too long', 'worker/a.ts', lines(351), /351 lines/],
    ['a vague file', 'worker/utils.ts', '', /says nothing/],
    ['a vague folder', 'worker/helpers/a.ts', '', /says nothing/],
    ['a half vague file', 'worker/string-utils.ts', '', /says nothing/],
    ['an import out of src', 'worker/a.ts', "import x from '../../../test/x.js';", /not in src/],
    [
      'an import out of the repository',
      'worker/a.ts',
      "import x from '../../../../x.js';",
      /not in this repo/,
    ],
    ['an import from shared/', 'worker/a.ts', "import x from '../../../shared/x.js';", /not in this repo/],
    ['an absolute import', 'worker/a.ts', "import x from '/x.js';", /not in this repo/],
  ])('reject %s', (_, file, text, expected) => {
    const found = breaches([{ path: `src/lib/${file}`, text }]);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  it.each([
    ['a value of the server', "import { x } from '../lib/serve/dashboard/shapes.js';", /types only/],
    ['another part of the program', "import type { X } from '../lib/core/job.js';", /shapes\.ts only/],
    ['a package that it would have to ship', "import React from 'react';", /preact and uplot/],
    ['a module of Node', "import fs from 'node:fs';", /preact and uplot/],
  ])('reject a page that knows %s', (_, text, expected) => {
    const found = breaches([{ path: 'src/web/a.tsx', text }]);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  it('reject an import cycle of components', () => {
    expect(
      breaches([
        { path: 'src/web/a.tsx', text: "import { x } from './b.js';" },
        { path: 'src/web/b.tsx', text: "import { y } from './a.js';" },
      ]),
    ).toHaveLength(1);
  });

  it('reject an import cycle', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => `src/lib/worker/${name}.ts`) as [string, string, string];
    expect(
      breaches([
        { path: a, text: "import { x } from './b.js';" },
        { path: b, text: "import type { X } from './c.js';\nimport { y } from './d.js';" },
        { path: c, text: "type X = import('./a.js').X;" },
        { path: 'src/lib/worker/d.ts', text: "import { x } from './e.js';" },
        { path: 'src/lib/worker/e.ts', text: '' },
      ]),
    ).toEqual([`${a}: imports itself by way of ${b} -> ${c} -> ${a}`]);
  });

  it('reject two import cycles', () => {
    const pair = (a: string, b: string) => [
      { path: `src/lib/core/${a}.ts`, text: `export * from './${b}.js';` },
      { path: `src/lib/core/${b}.ts`, text: `import './${a}.js';` },
    ];
    expect(breaches([...pair('a', 'b'), ...pair('c', 'd')])).toHaveLength(2);
  });

  it('reject a file that imports itself', () => {
    expect(breaches([{ path: 'src/lib/core/a.ts', text: "import './a.js';" }])).toHaveLength(1);
  });

  it('reject a command file that is too long', () => {
    expect(breaches([{ path: 'src/commands/a.ts', text: lines(141) }])).toHaveLength(1);
  });

  it('reject a test that imports from outside the repository', () => {
    expect(breaches([{ path: 'test/unit/a.test.ts', text: "import x from '../../../x.js';" }])).toHaveLength(
      1,
    );
  });
});

describe('code within the architecture rules', () => {
  it.each([
    [
      'a page with types of the server',
      'src/web/pages/a.tsx',
      "import { h } from 'preact';\nimport type { X } from '../../lib/serve/dashboard/shapes.js';\nimport { y } from '../y.js';",
    ],
    ['an import that goes down', 'src/lib/worker/a.ts', "import { x } from '../queue/types.js';"],
    ['an import within a folder', 'src/lib/queue/a.ts', "import { x } from './keys.js';"],
    ['an import from the parent folder', 'src/lib/cli/output/table.ts', "import { x } from '../flags.js';"],
    ['a command', 'src/commands/redis/status.ts', "import { x } from '../../lib/cli/base-command.js';"],
    ['a topic of commands', 'src/commands/redis/index.ts', ''],
    ['the library entry', 'src/lib/index.ts', "export { x } from './client/a.js';"],
    ['the client of a gateway', 'src/lib/http.ts', "export { x } from './http-client/a.js';"],
    ['the ports of a worker', 'src/lib/worker/a.ts', "import { x } from '../queue/broker/consumer-port.js';"],
    [
      'the implementations of those ports',
      'src/lib/worker/redis-parts.ts',
      "import { x } from '../queue/broker/consumer.js';",
    ],
    ['ioredis in its own folder', 'src/lib/redis/connect.ts', "import { Redis } from 'ioredis';"],
    ['the environment where settings are made', 'src/lib/config/load.ts', 'load(process.env);'],
    ['signals in the runner', 'src/lib/model/runner-main.ts', "process.on('SIGINT', f);\nprocess.exit(1);"],
    ['`process` as a default value', 'src/lib/worker/a.ts', 'function f(source: S = process, n = 1) {}'],
    ['a resolver of packages', 'src/lib/model/a.ts', 'createRequire(import.meta.url).resolve(x);'],
    ['an exit code', 'src/lib/worker/a.ts', 'process.exitCode = 1;'],
    [
      'forbidden words in comments and texts',
      'src/lib/worker/a.ts',
      "// process.env\n/* import 'bullmq' */\nthrow new Error('process.exit');",
    ],
    ['a file of the maximum length', 'src/lib/worker/a.ts', lines(350)],
  ])('is accepted: %s', (_, file, text) => {
    expect(breaches([{ path: file, text }])).toEqual([]);
  });
});
