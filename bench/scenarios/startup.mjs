import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { INFER, ROOT } from '../lib/place.mjs';
import { sizeOf } from '../lib/sizes.mjs';
import { compare } from '../lib/stats.mjs';

export const title = 'startup: light commands against `node -e 0`; ms';

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const times = sizeOf(amount, { usual: 15, perSecond: 2 });
  const server = await place.redis();
  const row = join(ROOT, 'examples', 'one-digit.json');
  const submit = [INFER, 'submit', row, '-m', 'digits', '--redis', server.url];
  // A worker has published the model once, as on any machine in use; it need not be running now.
  await place.stop(await place.worker(server.url, ['-Q', 'none']));
  const commands = { node: ['-e', '0'], version: [INFER, '--version'], submit };
  /** @type {Record<string, number[]>} */
  const ms = { node: [], version: [], submit: [] };
  for (let i = 0; i <= times; i++) {
    for (const [name, args] of Object.entries(commands)) {
      const started = performance.now();
      const { status, stderr } = spawnSync(process.execPath, args, { cwd: place.dir, encoding: 'utf8' });
      if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`);
      // The first of each only fills the page cache.
      if (i > 0) ms[name]?.push(performance.now() - started);
    }
  }
  const words = (/** @type {string} */ what, /** @type {string} */ target) => ({
    what,
    unit: 'ms',
    against: 'node -e 0',
    target,
  });
  return {
    lines: [
      compare(words('infer --version', '<= 2.5x'), ms.version ?? [], ms.node ?? []),
      compare(words('infer submit, one row', '<= 5x'), ms.submit ?? [], ms.node ?? []),
    ],
    size: `${times} runs each, in turn`,
  };
}
