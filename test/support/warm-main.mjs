// Runs command lines of the built `infer` one after another, as bin/run.js would, and sends the output and exit code of
// each. See warm.ts.
import { AsyncLocalStorage } from 'node:async_hooks';
import { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

const [binary, entry] = process.argv.slice(2);
/** Time for what a command has closed to disappear: for handles that a process would wait for, and for others. */
const CLOSE_MS = { ended: 20_000, exited: 100 };

const request = new AsyncLocalStorage();
// A timer of an earlier command that ends the process late must not end a later command.
process.exit = (code) => request.getStore()?.exit(code ?? process.exitCode ?? 0);
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.on('message', async ({ args, env, cwd, stdin }) => {
  process.send(await run(args, env, cwd, stdin));
});

/** Handles that keep a process alive. */
const held = () => process.getActiveResourcesInfo().length;
const listeners = () =>
  new Map(process.eventNames().map((event) => [event, new Set(process.rawListeners(event))]));

async function run(args, env, cwd, stdin) {
  const before = { held: held(), listeners: listeners() };
  const [stdout, stderr] = [capture(), capture()];
  const input = stdin === undefined ? [] : [Buffer.from(stdin)];
  replace('stdin', Readable.from(input, { objectMode: false }));
  replace('stdout', stdout.stream);
  replace('stderr', stderr.stream);
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
  Object.assign(process.env, env);
  process.argv = [process.execPath, binary, ...args];
  process.chdir(cwd);
  process.exitCode = undefined;

  const { promise: exited, resolve: exit } = withResolvers();
  const command = request.run({ exit }, () => import(`${entry}?command=${sequence++}`));
  const { exitCode, how } = await Promise.race([
    exited.then((code) => ({ exitCode: code, how: 'exited' })),
    command.then(() => ({ exitCode: process.exitCode ?? 0, how: 'ended' })),
  ]);
  process.exitCode = undefined;
  for (const [event, now] of listeners())
    for (const listener of now) if (!before.listeners.get(event)?.has(listener)) process.off(event, listener);
  const end = performance.now() + CLOSE_MS[how];
  while (held() > before.held && performance.now() < end) await delay(2);
  const left = held() > before.held ? process.getActiveResourcesInfo() : [];
  return { exitCode, how, stdout: stdout.text(), stderr: stderr.text(), left };
}

let sequence = 0;

function withResolvers() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function replace(name, value) {
  Object.defineProperty(process, name, { value, configurable: true, enumerable: true, writable: true });
}

function capture() {
  const chunks = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}
