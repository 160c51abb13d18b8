import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename } from 'node:path';
import { printable } from './printable.js';
import { runProgram } from './program.js';

/** The process that listens on a port. */
export interface PortHolder {
  pid: number;
  /** Its program: `nginx`, `node server.js`. */
  name: string;
}

const LISTENS = '0A';
const LSOF_MS = 2000;
/** A host may have very many processes, and the error is to appear soon. */
const LOOK_MS = 2000;
const NAME_MAX = 60;
/** Programs whose first argument says more than their own name. */
const INTERPRETER = /^(?:node|nodejs|python[\d.]*|ruby|perl|java|deno|bun)$/;
const NEIGHBOURS = 20;
const HIGHEST = 65_535;

/**
 * Which process of this machine listens on a TCP port, as far as this user may see it. Undefined: none, a
 * process of another user or container, or a system that does not tell. Never throws.
 */
export async function portHolder(port: number): Promise<PortHolder | undefined> {
  try {
    return process.platform === 'linux' ? fromProc(port) : await fromLsof(port);
  } catch {
    return undefined;
  }
}

/** `node server.js, pid 4321`; undefined if the process is not known. */
export async function portHolderText(port: number): Promise<string | undefined> {
  const holder = await portHolder(port);
  return holder === undefined ? undefined : `${printable(holder.name)}, pid ${holder.pid}`;
}

/**
 * The next port after this one that is free on the address, to suggest instead.
 * @returns one of the 20 that follow (or come before, at the end of the range); without success the first.
 */
export async function freePortNear(host: string, port: number): Promise<number> {
  const step = port + NEIGHBOURS > HIGHEST ? -1 : 1;
  for (let at = 1; at <= NEIGHBOURS; at++) {
    if (await canListen(host, port + at * step)) return port + at * step;
  }
  return port + step;
}

/** Whether a port of an address is free at the moment, and may be used. */
export async function canListen(host: string, port: number): Promise<boolean> {
  return (await listenError(host, port)) === undefined;
}

/** Whether another program has the port of an address. */
export async function isTaken(host: string, port: number): Promise<boolean> {
  return (await listenError(host, port)) === 'EADDRINUSE';
}

function listenError(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    server.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port, exclusive: true }, () =>
      server.close(() => resolve(undefined)),
    );
  });
}

function fromProc(port: number): PortHolder | undefined {
  const sockets = new Set(['tcp', 'tcp6'].flatMap((table) => socketsOn(textOf(`/proc/net/${table}`), port)));
  if (sockets.size === 0) return undefined;
  const until = performance.now() + LOOK_MS;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (holds(pid, sockets)) return { pid: Number(pid), name: programOf(pid) };
    if (performance.now() > until) return undefined;
  }
  return undefined;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** `socket:[inode]` of the listening sockets of a port, in a table of /proc/net. */
export function socketsOn(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => state === LISTENS && local.endsWith(`:${wanted}`))
    .map((fields) => `socket:[${fields[9]}]`);
}

function holds(pid: string, sockets: ReadonlySet<string>): boolean {
  let fds: string[];
  try {
    fds = readdirSync(`/proc/${pid}/fd`);
  } catch {
    // It has exited, or belongs to another user.
    return false;
  }
  return fds.some((fd) => {
    try {
      return sockets.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false;
    }
  });
}

function programOf(pid: string): string {
  const name = programName(textOf(`/proc/${pid}/cmdline`).split('\0').filter(Boolean));
  return name === '' ? textOf(`/proc/${pid}/comm`).trim() : name;
}

/**
 * The name of a program by its command line: without its arguments, which may contain passwords, apart from
 * the file that an interpreter runs.
 */
export function programName(words: readonly string[]): string {
  const [first = '', ...rest] = words;
  // A program may write one line over its arguments, such as `nginx: master process`.
  const program = rest.length === 0 && first.includes(': ') ? first : basename(first);
  const file = INTERPRETER.test(program) ? rest.find((word) => !word.startsWith('-')) : undefined;
  return (file === undefined ? program : `${program} ${basename(file)}`).slice(0, NAME_MAX);
}

async function fromLsof(port: number): Promise<PortHolder | undefined> {
  const args = ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'];
  const end = await runProgram('lsof', args, { timeoutMs: LSOF_MS });
  if (end.kind !== 'ended') return undefined;
  const pid = Number(/^p(\d+)$/m.exec(end.stdout)?.[1]);
  const name = /^c(.+)$/m.exec(end.stdout)?.[1] ?? 'a program';
  return Number.isInteger(pid) && pid > 0 ? { pid, name: name.slice(0, NAME_MAX) } : undefined;
}
