import { messageOf } from '../core/errors.js';
import { formatBytes } from '../core/units.js';
import { readMemory } from './info.js';
import { masterNodes, readConfig } from './server-config.js';
import type { RedisClient } from './types.js';

/** The maximum size of a value, and which setting determines it. */
export interface SizeLimit {
  /** Bytes of one argument of a command. */
  readonly bytes: number;
  /** The server's setting that determines it; undefined when it does not tell. */
  readonly setting: string | undefined;
}

/**
 * Maximum for the packed arguments of our scripts and the buffers of Node.js, whatever the server accepts.
 */
const MOST_BYTES = 2 ** 31 - 1;
/** Bytes sent in addition to the value itself: the job's other fields, the command. */
const OVERHEAD_BYTES = 32 * 1024;

const SETTINGS = ['proto-max-bulk-len', 'client-query-buffer-limit'];

/**
 * The largest value that a server accepts: the minimum of `proto-max-bulk-len`, `client-query-buffer-limit`
 * and `maxmemory`. Without the right to CONFIG, or with a provider that has none, the first two are unknown.
 * @throws the client's error when the connection fails.
 */
export async function readSizeLimit(client: RedisClient): Promise<SizeLimit & { told: boolean }> {
  const nodes = masterNodes(client);
  let told = nodes.length > 0;
  let limit: SizeLimit = { bytes: MOST_BYTES, setting: undefined };
  const lower = (bytes: number, setting: string): void => {
    if (bytes > 0 && bytes < limit.bytes) limit = { bytes, setting };
  };
  for (const { node } of nodes) {
    const config = await readConfig(node, SETTINGS);
    for (const name of SETTINGS) {
      const value = config instanceof Map ? Number(config.get(name) ?? Number.NaN) : Number.NaN;
      if (Number.isNaN(value)) told = false;
      else lower(value, name);
    }
  }
  const memory = await readMemory(client);
  if (memory !== undefined) lower(memory.maxMemory, 'maxmemory');
  return { ...limit, told };
}

/** A value that a server will never accept, however often it is sent. */
export class SizeRefused extends Error {
  override readonly name = 'SizeRefused';

  constructor(
    /** Size of the value. */
    readonly bytes: number,
    /** The server's maximum, if known. */
    readonly limit: Partial<SizeLimit> = {},
  ) {
    super(`a value of ${formatBytes(bytes)} is more than Redis takes`);
  }

  /** `at most 512 MB: proto-max-bulk-len`, or that it is unknown. */
  get limitText(): string {
    const { bytes, setting } = this.limit;
    const name = setting === undefined ? '' : `: ${setting}`;
    return bytes === undefined ? `its limit is not known${name}` : `at most ${formatBytes(bytes)}${name}`;
  }
}

/** @throws SizeRefused when a value of this many bytes does not fit. */
export function checkSize(bytes: number, limit: SizeLimit): void {
  if (bytes + OVERHEAD_BYTES > limit.bytes) throw new SizeRefused(bytes, limit);
}

/**
 * Error texts with which servers and providers refuse a value because of its size. Excludes OOM, LOADING,
 * READONLY, MASTERDOWN and similar, which are temporary: the same command may be accepted later.
 */
const REFUSALS = [
  /invalid (?:multi)?bulk length/i,
  /exceeds (?:the )?maximum allowed size/i,
  /max(?:imum)?[ -](?:allowed )?(?:request|record|value|command|payload|message|entry|object|body|data)[ -]size/i,
  /(?:request|record|value|command|payload|message|entry|object|body|argument) (?:size )?(?:is )?too (?:large|big|long)/i,
  /too big (?:bulk|mbulk|inline)/i,
];
const PASSING =
  /(?:^|[ -])(?:OOM|LOADING|READONLY|MASTERDOWN|BUSY|TRYAGAIN|CLUSTERDOWN|MISCONF|NOREPLICAS)\b/;

/** The size limit in a server's error; undefined when the error is about something else. */
export function sizeRefusal(error: unknown): Partial<SizeLimit> | undefined {
  const text = messageOf(error).slice(0, 500);
  if (PASSING.test(text) || !REFUSALS.some((words) => words.test(text))) return undefined;
  const bytes = Number(/\blimit(?: is| of)?:?\s*(\d{3,15})\b/i.exec(text)?.[1] ?? Number.NaN);
  const setting = /bulk length|proto-max-bulk-len/.test(text) ? { setting: 'proto-max-bulk-len' } : {};
  return Number.isNaN(bytes) ? setting : { bytes, ...setting };
}
