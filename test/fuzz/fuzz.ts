import { inScratchDir } from '../support/scratch-dir.js';
import { Attack, type AttackReport } from './attack.js';
import { LOG_MARKS } from './canaries.js';
import { ApiDocument } from './document.js';
import { FuzzedServer } from './server.js';

export interface FuzzOptions {
  /** The repository, built. */
  root: string;
  /** Determines requests and their faults. */
  seed: number;
  requests: number;
  /** Only this request of the run, counted from 0. */
  only?: number | undefined;
  /** Number of concurrent connections [16]. */
  atOnce?: number | undefined;
  /** Keeps the logs and prints their location. */
  keep?: boolean | undefined;
  print: (line: string) => void;
}

export interface FuzzReport extends AttackReport {
  /** Faults other than in single responses, such as a process that ended or a secret in a log. */
  troubles: string[];
  /** Duration of the requests only, s. */
  seconds: number;
  dir: string | undefined;
}

/**
 * Errors with a status of 5xx that the set-up can cause: jobs of a queue without a worker, a `--max-wait` of 2 s,
 * and short deadlines. Redis is there, nothing shuts down, and no limit of memory or connections is near.
 */
const BUSY = ['NO_WORKERS', 'WAIT_TIMEOUT', 'EXPIRED', 'WAIT_TOO_LONG'];
/** Text that only a fault of the server writes. */
const FAILURES = /"level":"(?:error|fatal)"|^\s+at .*\.js:\d+|UnhandledPromise|ERR_UNHANDLED/m;

/** Starts a gateway, sends it malformed requests, then checks the gateway and its log. Cleans up. */
export function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  return inScratchDir('infer-fuzz-', options.keep, (dir, last) => run(options, dir, last));
}

async function run(options: FuzzOptions, dir: string, last: (() => void)[]): Promise<FuzzReport> {
  const { root, print, keep } = options;
  const server = await FuzzedServer.start(root, dir, last);
  const document = new ApiDocument(await server.document());
  print(`${document.operations.length} operations at ${server.url}`);
  const began = performance.now();
  const { port, token, weakToken, secrets } = server;
  const onAnswer = (number: number): void => {
    if (number > 0 && number % 1000 === 0) print(`${number} requests, ${seconds(began).toFixed(0)} s`);
  };
  const attack = new Attack({ ...options, document, port, token, weakToken, secrets, busy: BUSY, onAnswer });
  const report = await attack.run();
  const took = seconds(began);
  const broken = await server.works().catch((error: unknown) => `it does not answer: ${String(error)}`);
  const log = await server.stop();
  const troubles = [...(broken === undefined ? [] : [broken]), ...logTroubles(log, secrets)];
  return { ...report, troubles, seconds: took, dir: keep ? dir : undefined };
}

/** Faults in the log of a server. */
export function logTroubles(log: string, secrets: readonly string[]): string[] {
  const failure = log.split('\n').find((line) => FAILURES.test(line));
  return [
    ...secrets.filter((secret) => log.includes(secret)).map(() => 'a secret in the log'),
    ...LOG_MARKS.filter((mark) => log.includes(mark)).map((mark) => `'${mark}' in the log`),
    ...(failure === undefined ? [] : [`the log tells of a failure: ${failure.slice(0, 300)}`]),
  ];
}

function seconds(began: number): number {
  return (performance.now() - began) / 1000;
}
