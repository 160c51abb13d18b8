import { settledWithin } from '../core/bounded.js';
import { InferError } from '../core/errors.js';
import { isTaken } from '../core/port-holder.js';
import { portInUse } from '../serve/http/listen.js';
import { KeptPart, type RunningPart, StartFailure } from './kept-part.js';
import { type InferProcess, spawnInfer, untilTold } from './spawn-infer.js';
import { GATEWAY, type Tell } from './types.js';

/** What `infer serve` reports when it is ready. */
export interface GatewayFacts {
  url: string;
  /** Number of valid tokens; null if none is required. */
  tokens: number | null;
}

export interface GatewayOptions {
  host: string;
  /** 0 selects a free one, which it keeps when it is started again. */
  port: number;
  /** Further arguments of `infer serve`. */
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  log: string;
  drainTimeoutMs: number;
  tell: Tell;
}

export interface GatewayProcess extends RunningPart {
  readonly facts: GatewayFacts;
}

/** A gateway answers its last requests within its drain time; this is a little later. */
const AFTER_DRAIN_MS = 5000;
/** A second SIGTERM counts from 250 ms after the first. */
const SECOND_SIGNAL_MS = 300;
/** For a gateway that was told to end at once; then SIGKILL. */
const LEAVE_MS = 2000;

/** `infer serve` as a process that is started again when it ends. */
export function gatewayPart(options: GatewayOptions): KeptPart<GatewayProcess> {
  let { port } = options;
  return new KeptPart<GatewayProcess>({
    name: GATEWAY,
    tell: options.tell,
    open: async (signal) => {
      const running = await openGateway({ ...options, port }, signal);
      port = Number(new URL(running.facts.url).port) || port;
      return running;
    },
  });
}

/** The failure of the first start, for the user. @param log of the gateway */
export function gatewayError(failure: unknown, log: string): unknown {
  if (!(failure instanceof StartFailure)) return failure;
  const { reason, lines } = failure.ending;
  const said = lines.length === 0 ? '' : `: ${lines.join(' / ')}`;
  return new InferError('UP_GATEWAY', `the gateway did not start, ${reason}${said}`, { hint: `see ${log}` });
}

/** Before anything is started, so that nothing has to be stopped again. @throws InferError PORT_IN_USE (69) */
export async function checkPort(host: string, port: number, flag: string): Promise<void> {
  if (port !== 0 && (await isTaken(host, port))) throw await portInUse(host, port, flag);
}

async function openGateway(options: GatewayOptions, signal: AbortSignal): Promise<GatewayProcess> {
  const { host, port, args, log, env, drainTimeoutMs } = options;
  signal.throwIfAborted();
  const words = ['serve', '--supervised', '--host', host, '--port', String(port), ...args];
  const running = await spawnInfer(words, log, env).catch((error: NodeJS.ErrnoException) => {
    throw new StartFailure({ reason: `it cannot be started: ${error.code ?? error.message}`, lines: [] });
  });
  try {
    const facts = await untilTold<GatewayFacts>(running, signal);
    return {
      pid: running.pid,
      detail: facts.url,
      facts,
      ended: running.ended,
      stop: (hurry) => stopGateway(running, drainTimeoutMs + AFTER_DRAIN_MS, hurry),
    };
  } catch (error) {
    await stopGateway(running, LEAVE_MS, signal);
    throw error;
  }
}

/** @returns whether it had to be killed */
async function stopGateway(
  { child, ended }: InferProcess,
  limitMs: number,
  hurry: AbortSignal,
): Promise<boolean> {
  child.kill('SIGTERM');
  if (await settledWithin(limitMs, ended, hurry)) return false;
  if (await settledWithin(SECOND_SIGNAL_MS, ended)) return false;
  child.kill('SIGTERM');
  if (await settledWithin(LEAVE_MS, ended)) return false;
  child.kill('SIGKILL');
  await ended;
  return true;
}
