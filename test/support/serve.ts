import type { RunOptions, Sandbox } from './cli.js';
import { startWorker, type TestWorker } from './worker.js';

/** A started `infer serve`. */
export interface TestServer extends TestWorker {
  /** Where it listens, its base path included. */
  readonly url: string;
  /** A GET whose answer is JSON. */
  get(
    where: string,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: Record<string, unknown> }>;
}

/** Starts `infer serve` on a free port and waits until it says that it is ready. */
export async function startServer(
  infer: Sandbox,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<TestServer> {
  const server = await startWorker(infer.start(['serve', '--port', '0', ...args], options));
  const [, url = ''] = /^ready (\S+)/m.exec(server.stderr) ?? [];
  return {
    ...server,
    get stderr() {
      return server.stderr;
    },
    url,
    get: async (where, headers = {}) => {
      const answer = await fetch(url + where, { headers });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    },
  };
}
