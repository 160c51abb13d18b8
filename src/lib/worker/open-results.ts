import { ResultStore } from '../queue/result-store.js';
import { type ConnectionSettings, closeClient, connect, resolveTarget } from '../redis/connect.js';

/** The Redis for results alone, where there is one; `cleanup` gets what closes it. */
export async function openResults(
  settings: ConnectionSettings | undefined,
  prefix: string,
  cleanup: (() => Promise<unknown>)[],
): Promise<ResultStore | undefined> {
  if (settings === undefined) return undefined;
  const client = await connect(await resolveTarget(settings), 'worker', settings);
  cleanup.push(() => closeClient(client));
  return new ResultStore(client, prefix);
}
