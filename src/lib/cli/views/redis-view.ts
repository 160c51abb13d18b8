import { printable } from '../../core/job.js';
import { formatBytes, formatDuration } from '../../core/units.js';
import { socketUrl } from '../../redis/address.js';
import type { EmbeddedStatus } from '../../redis/embedded.js';
import { facts, type Layout } from '../output/text.js';

/** infer's own Redis server, running or not. */
export function embeddedView(status: EmbeddedStatus, { paint }: Layout): string[] {
  const state = status.running
    ? paint('green', status.loading === true ? 'loading its data' : 'running')
    : paint('yellow', 'not running');
  const rows: [string, string][] = [['state', state]];
  if (status.pid !== undefined) rows.push(['pid', String(status.pid)]);
  if (status.version !== undefined) rows.push(['version', printable(status.version)]);
  if (status.uptimeSeconds !== undefined) {
    const { uptimeSeconds } = status;
    rows.push(['up for', uptimeSeconds < 1 ? 'under 1 s' : formatDuration(uptimeSeconds * 1000)]);
  }
  if (status.usedMemory !== undefined) {
    const limit =
      status.maxMemory === undefined || status.maxMemory === 0 ? '' : ` of ${formatBytes(status.maxMemory)}`;
    rows.push(['memory', `${formatBytes(status.usedMemory)}${limit}`]);
  }
  rows.push(
    ['address', socketUrl(status.socket)],
    ['data', printable(status.dir)],
    ['log', printable(status.logFile)],
  );
  return facts(rows, paint);
}
