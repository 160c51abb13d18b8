import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../gateway/post.lua', import.meta.url));

/** Whether the load generator is installed. */
export function hasWrk() {
  return spawnSync('wrk', ['--version'], { stdio: 'ignore' }).error === undefined;
}

/**
 * Requests a second of one thread of wrk that sends the same POST over and over.
 * @param {import('./place.mjs').Place} place @param {string} url @param {string} body JSON
 * @param {{connections: number, seconds: number}} load
 */
export async function wrkRate(place, url, body, { connections, seconds }) {
  const file = join(place.dir, 'wrk-body.json');
  writeFileSync(file, body);
  const args = ['-t1', `-c${connections}`, `-d${Math.max(1, Math.round(seconds))}s`, '-s', SCRIPT, url];
  const env = { ...process.env, WRK_BODY: file };
  const child = spawn('wrk', args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  place.children.push(child);
  let said = '';
  child.stdout.on('data', (piece) => {
    said += piece;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`wrk: exit ${code}: ${said}`);
  // A refusal is quick: it would count as speed.
  if (/Non-2xx|Socket errors/.test(said))
    throw new Error(`wrk: not every request of ${url} succeeded: ${said}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(said)?.[1] ?? Number.NaN);
}
