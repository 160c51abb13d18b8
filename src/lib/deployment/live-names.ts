import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadedSettings } from '../config/load.js';
import { answerWithin } from '../core/bounded.js';
import { listModels } from '../model/survey.js';
import { listQueues } from '../queue/read/reader.js';
import { listWorkers, publishedModels } from '../queue/registry.js';
import { closeClient, connect, resolveTarget } from '../redis/connect.js';
import { connectionSettings } from '../redis/from-settings.js';

/** Kinds of names that can complete a command line. */
export type LiveKind = 'queues' | 'workers' | 'models';

export type LiveNames = Record<LiveKind, string[]>;

/** A user who pressed Tab waits for this. */
const LOOK_MS = 300;
/** Tab is pressed repeatedly; names do not change that fast. */
const FRESH_MS = 5000;
const MOST_NAMES = 500;

const NONE: LiveNames = { queues: [], workers: [], models: [] };

/**
 * Names that may be put on a command line unquoted. They come from Redis, and a shell would run anything
 * between backquotes once the line is entered.
 */
const SAFE = /^[A-Za-z0-9_][A-Za-z0-9._@%+,-]{0,127}$/;

/**
 * Queues, workers and models, cached for a few seconds or from Redis. Never fails and never takes longer than
 * 300 ms: after that it returns the last known names, or none. Starts no server.
 */
export async function liveNames(loaded: LoadedSettings, now: number): Promise<LiveNames> {
  const { redisUrl, prefix, modelsDir, stateDir, queues } = loaded.values;
  const key = createHash('sha256')
    .update(JSON.stringify([redisUrl, prefix, modelsDir]))
    .digest('hex');
  const file = join(stateDir, `completion-${key.slice(0, 16)}.json`);
  const known = readCache(file);
  if (known !== undefined && now - known.at < FRESH_MS && now >= known.at) return known.names;
  const found = await answerWithin(
    LOOK_MS,
    ask(loaded).catch(() => undefined),
    () => undefined,
  );
  const names = found ?? known?.names ?? NONE;
  const models = [...new Set([...names.models, ...modelsBelow(modelsDir)])];
  // Before the first job there is no queue: suggest those that workers serve by default.
  const all = clean({ ...names, models, queues: names.queues.length > 0 ? names.queues : [...queues] });
  // Even after a failure, so that the next Tab does not wait for an unreachable Redis again.
  writeCache(stateDir, file, { at: now, names: all });
  return all;
}

async function ask(loaded: LoadedSettings): Promise<LiveNames> {
  const settings = { ...connectionSettings(loaded, false), connectTimeoutMs: LOOK_MS };
  const client = await connect(await resolveTarget(settings), 'command', settings);
  try {
    const { prefix } = loaded.values;
    const [queues, workers, models] = await Promise.all([
      listQueues(client, prefix),
      listWorkers(client, prefix),
      publishedModels(client, prefix),
    ]);
    return { queues, workers: workers.map(({ name }) => name), models: models.map(({ name }) => name) };
  } finally {
    await closeClient(client, 50);
  }
}

function modelsBelow(dir: string): string[] {
  try {
    return listModels(dir).map((model) => model.name);
  } catch {
    return [];
  }
}

function clean(names: LiveNames): LiveNames {
  const safe = (list: readonly string[]) =>
    [...new Set(list)]
      .filter((name) => SAFE.test(name))
      .sort()
      .slice(0, MOST_NAMES);
  return { queues: safe(names.queues), workers: safe(names.workers), models: safe(names.models) };
}

interface Cache {
  at: number;
  names: LiveNames;
}

function readCache(file: string): Cache | undefined {
  try {
    const { at, names } = JSON.parse(readFileSync(file, 'utf8')) as Cache;
    const lists = [names.queues, names.workers, names.models];
    if (typeof at !== 'number' || !lists.flat().every((name) => typeof name === 'string')) return undefined;
    return { at, names: clean(names) };
  } catch {
    return undefined;
  }
}

function writeCache(dir: string, file: string, cache: Cache): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    // Renamed into place, so that a Tab in another window never reads half a file.
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, JSON.stringify(cache), { mode: 0o600 });
    renameSync(draft, file);
  } catch {
    // A cache that cannot be written only costs the next Tab some time.
  }
}
