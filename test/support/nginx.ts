import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, it } from 'vitest';
import { ROOT } from './cli.js';
import { freePort } from './ports.js';

/** Debian has it where only root looks. */
const FOLDERS = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];

const program = FOLDERS.map((folder) => path.join(folder, 'nginx')).find((file) => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
});

if (program === undefined) {
  console.warn('no nginx on the PATH: the tests behind a proxy are skipped (apt install nginx-light)');
}

/** A test behind a real nginx; skipped where there is none. */
export const itBehindNginx = it.skipIf(program === undefined);

const START_MS = 30_000;

/** The block of nginx in a document, for a server at another address than the document says. */
export function documentedBlock(document: string, server: string): string {
  const text = readFileSync(path.join(ROOT, 'docs', document), 'utf8');
  const [, block] = /```nginx\n(.*?)```/s.exec(text) ?? [];
  if (block === undefined) throw new Error(`docs/${document} has no block of nginx`);
  const { host } = new URL(server);
  const placed = block.replace(/proxy_pass http:\/\/127\.0\.0\.1:\d+\//, `proxy_pass http://${host}/`);
  if (!placed.includes(host)) throw new Error(`the block of docs/${document} passes to no port of 127.0.0.1`);
  return placed;
}

export interface Nginx {
  /** Its address, without a trailing slash. */
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** An nginx as this user, on a free port, with everything it writes in a directory of its own. */
async function startNginx(location: string): Promise<Nginx> {
  const dir = mkdtempSync(path.join(tmpdir(), 'infer-nginx-'));
  const port = await freePort();
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  for (const folder of folders) mkdirSync(path.join(dir, folder));
  const file = path.join(dir, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off;
master_process off;
pid ${dir}/pid;
error_log ${dir}/error.log;
events {}
http {
  access_log off;
  ${folders.map((folder) => `${folder}_temp_path ${dir}/${folder};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
${location}
  }
}
`,
  );
  const child = spawn(program as string, ['-p', dir, '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  const stop = async () => {
    process.off('exit', end);
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      end();
      await gone;
    }
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await listening(child, port, () => said);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}`, port, stop };
}

async function listening(child: ChildProcess, port: number, said: () => string): Promise<void> {
  const until = performance.now() + START_MS;
  while (!(await answers(port))) {
    if (child.exitCode !== null || performance.now() > until)
      throw new Error(`nginx did not start: ${said()}`);
    await delay(20);
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Starts proxies that end with the tests of the file. */
export function useNginx(): (location: string) => Promise<Nginx> {
  const started: Nginx[] = [];
  afterAll(async () => {
    await Promise.all(started.map((nginx) => nginx.stop()));
  });
  return async (location) => {
    const nginx = await startNginx(location);
    started.push(nginx);
    return nginx;
  };
}
