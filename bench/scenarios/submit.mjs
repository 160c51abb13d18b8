import { once } from 'node:events';
import { DIGIT_LINES } from '../lib/digits.mjs';
import { INFER, memoryOf } from '../lib/place.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { median } from '../lib/stats.mjs';

export const title = 'submit: NDJSON rows from a pipe through `infer submit -`';

const BLOCK_ROWS = 1000;
const LOOK_MS = 20;

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const rows = amount.full ? 1_000_000 : sizeOf(amount, { usual: 200_000, perSecond: 20_000 });
  const rates = [];
  const peaks = [];
  for (let round = 0; round < roundsOf(amount, 2); round++) {
    const server = await place.redis();
    const one = await submit(place, server.url, rows);
    rates.push(one.rate);
    peaks.push(one.peak);
    await server.client.redis.flushall();
  }
  const peak = Math.max(...peaks) / 1e6;
  return {
    lines: [
      { what: 'rows, start to exit', ours: median(rates), unit: 'rows/s', target: '>= 60,000' },
      { what: 'peak resident memory', ours: peak, unit: 'MB', target: '<= 200' },
    ],
    size: `${rows} rows`,
  };
}

/** @param {import('../lib/place.mjs').Place} place @param {string} url @param {number} rows */
async function submit(place, url, rows) {
  const lines = Array.from({ length: BLOCK_ROWS }, (_, i) => `${DIGIT_LINES[i % DIGIT_LINES.length]}\n`);
  const block = Buffer.from(lines.join(''));
  const started = performance.now();
  const child = place.spawn(process.execPath, [INFER, 'submit', '-', '-m', 'digits', '--redis', url], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const { stdin, stderr } = child;
  if (stdin === null || stderr === null) throw new Error('submit needs pipes');
  let said = '';
  stderr.on('data', (chunk) => {
    said += chunk;
  });
  // It may exit early; its exit code explains that better than a broken pipe.
  stdin.on('error', () => undefined);
  const gone = once(child, 'exit');
  let peak = 0;
  const timer = setInterval(() => {
    try {
      peak = memoryOf(child.pid, 'VmHWM') || peak;
    } catch {
      // It has just exited.
    }
  }, LOOK_MS);
  for (let left = rows; left > 0; left -= BLOCK_ROWS) {
    const piece = left >= BLOCK_ROWS ? block : Buffer.from(lines.slice(0, left).join(''));
    if (!stdin.write(piece)) await Promise.race([once(stdin, 'drain'), gone]);
  }
  stdin.end();
  const [code] = await gone;
  clearInterval(timer);
  if (code !== 0) throw new Error(`infer submit ended with ${code}: ${said}`);
  return { rate: (rows / (performance.now() - started)) * 1000, peak };
}
