import path from 'node:path';
import { circles } from './circles.js';
import { dynamicImports, imports, withoutComments, withoutStrings } from './source.js';

/** A file of this repository, its path relative to the root. */
export interface SourceFile {
  path: string;
  text: string;
}

/** Imports go down only. Folders on the same floor do not import each other. */
export const FLOORS: Readonly<Record<string, number>> = {
  core: 0,
  config: 1,
  telemetry: 1,
  output: 1,
  task: 1,
  redis: 2,
  model: 2,
  queue: 3,
  batch: 3,
  input: 3,
  prepare: 3,
  client: 5,
  deployment: 4,
  tune: 4,
  worker: 5,
  scale: 5,
  doctor: 5,
  bench: 6,
  metrics: 5,
  operations: 5,
  serve: 6,
  'http-client': 6,
  up: 7,
  cli: 8,
  commands: 9,
};

/** What programs import, and the highest floor that it exports: everything but the terminal, and the client of a gateway. */
const LIBRARY_ENTRIES: Readonly<Record<string, number>> = {
  'src/lib/index.ts': 5,
  'src/lib/http.ts': 6,
};

/** The one place that may import a package: a file, or a folder and everything below it. */
const GATEWAYS: Readonly<Record<string, string>> = {
  ioredis: 'src/lib/redis/',
  bullmq: 'src/lib/queue/',
  'onnxruntime-node': 'src/lib/model/onnx-session.ts',
  sharp: 'src/lib/prepare/decode-image.ts',
};

/** Where the environment may be read, and why. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  'src/lib/config/load.ts': 'settings are made here, once',
  'src/lib/config/debug.ts': 'one variable, of failures before and of the loading of settings',
  'src/lib/config/home.ts': 'names a home directory where there is none, before anything is loaded',
  'src/lib/model/process-runner.ts': 'hands it to the runner process, with the device pinned',
  'src/lib/prepare/preparer.ts': 'hands it to the process that prepares rows',
  'src/lib/redis/embedded.ts': 'hands it to redis-server',
  'src/lib/bench/worker-process.ts': "hands it to the demo's worker",
  'src/lib/scale/spawn-worker.ts': 'hands it to detached workers',
  'src/lib/up/spawn-infer.ts': 'hands it to the gateway and to infer up in the background',
};

/** Where the process may be ended and signals may be handled. */
const PROCESS_OWNERS = [
  'src/lib/cli/',
  'src/commands/',
  'src/lib/model/runner-main.ts',
  'src/lib/prepare/prepare-main.ts',
  'src/lib/output/replacement.ts',
];

/** Files that may use their own URL: in a bundle it is that of a chunk. (createRequire is fine anywhere.) */
const SELF_AWARE = ['src/lib/model/package-root.ts', 'src/run.ts'];

/** Where a worker learns the implementations of its ports, which are imported only there. */
const WORKER_COMPOSITION = 'src/lib/worker/redis-parts.ts';
const BEHIND_PORTS =
  /^src\/lib\/(queue\/(broker\/(consumer|move|open-queue|result-store|worker-registry)|history\/writer|registry|starting)|redis\/(server-clock|eviction))\.ts$/;

/** The dashboard's page: it runs in a browser, so of the rest it may know only the types of what it is sent. */
const PAGE = 'src/web/';
const PAGE_CONTRACT = 'src/lib/serve/dashboard/shapes.ts';
const PAGE_PACKAGES = /^(preact|uplot)(\/|$)/;

const MAX_LINES = 350;
const MAX_COMMAND_LINES = 140;

/** Every breach of the architecture rules, "path: what is wrong". */
export function breaches(files: readonly SourceFile[]): string[] {
  const own = files.flatMap((file) =>
    [...placeBreaches(file), ...importBreaches(file), ...processBreaches(file), ...sizeBreaches(file)].map(
      (breach) => `${file.path}: ${breach}`,
    ),
  );
  return [...own, ...circleBreaches(files)];
}

/** Files of src that import one another, directly or through others, types included. */
function circleBreaches(files: readonly SourceFile[]): string[] {
  const inSrc = files.filter(({ path: at }) => at.startsWith('src/'));
  const paths = new Set(inSrc.map(({ path: at }) => at));
  const graph = new Map(
    inSrc.map((file) => {
      const named = [...imports(file.text), ...dynamicImports(file.text)];
      const targets = named
        .filter((name) => name.startsWith('.'))
        .map((name) => targetOf(file.path, name))
        .map((target) => (paths.has(target) ? target : target.replace(/\.ts$/, '.tsx')));
      return [file.path, targets];
    }),
  );
  return circles(graph).map(
    (circle) => `${circle[0]}: imports itself by way of ${[...circle.slice(1), circle[0]].join(' -> ')}`,
  );
}

function placeBreaches(file: SourceFile): string[] {
  const found: string[] = [];
  const vague = file.path.split('/').find((part) => /^(.*-)?(utils?|helpers?|common|misc)(\.|$)/.test(part));
  if (vague) found.push(`"${vague}" says nothing: name it for what it decides`);
  if (file.path.startsWith('src/lib/') && !(file.path in LIBRARY_ENTRIES)) {
    const folder = folderOf(file.path);
    if (folder === undefined || FLOORS[folder] === undefined) found.push('has no floor');
    if (path.posix.basename(file.path) === 'index.ts') found.push('no barrel index.ts inside lib');
  }
  return found;
}

function importBreaches(file: SourceFile): string[] {
  return [...imports(file.text), ...dynamicImports(file.text)].flatMap((specifier) => {
    if (!/^(\.|\/|file:)/.test(specifier)) return packageBreaches(file, specifier);
    const target = targetOf(file.path, specifier);
    if (!specifier.startsWith('.') || target.startsWith('..') || target.startsWith('shared/')) {
      return [`imports ${specifier}, which is not in this repository`];
    }
    if (file.path.startsWith(PAGE)) return pageBreaches(file, specifier, target);
    return file.path.startsWith('src/') ? floorBreaches(file.path, target) : [];
  });
}

/** The file that a relative import names. */
function targetOf(from: string, specifier: string): string {
  return path.posix.join(path.posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}

function pageBreaches(file: SourceFile, specifier: string, target: string): string[] {
  if (target.startsWith(PAGE)) return [];
  if (target !== PAGE_CONTRACT) return [`imports ${target}: the page knows ${PAGE_CONTRACT} only`];
  const statement = new RegExp(`\\bimport\\s+type\\b[^;]*?['"]${specifier.replaceAll('.', '\\.')}['"]`);
  return statement.test(file.text) ? [] : [`imports values of ${target}: the page knows its types only`];
}

function packageBreaches(file: SourceFile, specifier: string): string[] {
  if (!file.path.startsWith('src/')) return [];
  if (file.path.startsWith(PAGE))
    return PAGE_PACKAGES.test(specifier) ? [] : [`imports ${specifier}: the page is preact and uplot`];
  if (/^(node:)?process$/.test(specifier))
    return ['imports process: use the global, which these rules can see'];
  const name = Object.keys(GATEWAYS).find(
    (known) => specifier === known || specifier.startsWith(`${known}/`),
  );
  if (!name) return [];
  const gateway = GATEWAYS[name] as string;
  return file.path.startsWith(gateway) ? [] : [`imports ${name}: only ${gateway} may`];
}

function floorBreaches(from: string, target: string): string[] {
  if (!target.startsWith('src/')) return [`imports ${target}, which is not in src`];
  if (target in LIBRARY_ENTRIES) return ['imports the library entry: import the module that has it'];
  const [here, there] = [folderOf(from), folderOf(target)];
  if (there === undefined) return [`imports ${target}, which has no floor`];
  const highest = LIBRARY_ENTRIES[from];
  if (highest !== undefined)
    return floorOf(there) > highest ? [`imports ${there}/: the library ends at floor ${highest}`] : [];
  const found: string[] = [];
  if (here !== there && floorOf(there) >= floorOf(here ?? '')) {
    found.push(`imports ${there}/ (floor ${floorOf(there)}): imports go down only`);
  }
  if (here === 'worker' && from !== WORKER_COMPOSITION && BEHIND_PORTS.test(target)) {
    found.push(`imports ${target}: only ${WORKER_COMPOSITION} knows what is behind the consumer's port`);
  }
  if (here === 'worker' && target.startsWith('src/lib/queue/read/')) {
    found.push('imports queue/read/: the read side stays off the hot path');
  }
  return found;
}

function processBreaches(file: SourceFile): string[] {
  if (!file.path.startsWith('src/')) return [];
  const found: string[] = [];
  const code = withoutStrings(file.text);
  if (
    /\bprocess(\.|\?\.)env\b|\bprocess\s*\[|\}\s*=\s*process\s*[;\n]/.test(code) &&
    !(file.path in ENVIRONMENT)
  ) {
    found.push('reads process.env: take it from config');
  }
  const owner = PROCESS_OWNERS.some((place) => file.path.startsWith(place));
  const signals = /\bprocess\.(on|once|addListener|prependListener)\(\s*['"`]SIG/.test(
    withoutComments(file.text),
  );
  if (!owner && (signals || /\bprocess\.(exit|abort)\b(?!Code)/.test(code))) {
    found.push('ends the process or hears signals: that is for cli/, commands/ and the runner');
  }
  if (
    /(?<!createRequire\()\bimport\.meta\.(url|dirname|filename)\b/.test(code) &&
    !SELF_AWARE.includes(file.path)
  ) {
    found.push('looks at import.meta: a bundle moves it, ask model/package-root.ts');
  }
  return found;
}

function sizeBreaches(file: SourceFile): string[] {
  if (!/^(src|scripts)\//.test(file.path)) return [];
  const lines = file.text.replace(/\n$/, '').split('\n').length;
  const max = file.path.startsWith('src/commands/') ? MAX_COMMAND_LINES : MAX_LINES;
  return lines > max ? [`${lines} lines, ${max} at most`] : [];
}

/** "queue" of src/lib/queue/keys.ts, "commands" of src/commands/submit.ts. */
function folderOf(file: string): string | undefined {
  return /^src\/(?:lib\/([^/]+)\/|(commands)\/)/.exec(file)?.slice(1).find(Boolean);
}

/** No file may import a folder that is not in the table. */
function floorOf(folder: string): number {
  return FLOORS[folder] ?? Number.POSITIVE_INFINITY;
}
