import { freemem } from 'node:os';
import { InferError } from '../../core/errors.js';
import { formatBytes } from '../../core/units.js';
import { type ModelReading, readSignatures } from '../../model/probe-model.js';
import { modelNames } from '../../model/survey.js';
import { type Check, fail, type Judgement, ok, several, skip, warn } from '../check.js';
import { Unmet } from '../unmet.js';
import { readable, WORKERS } from './models.js';

/** Loading takes as long as the disk needs for the files. */
const LOAD_MS = 60_000;
/** Share of the free memory that a model may use that is only tried. */
const MEMORY_SHARE = 0.5;

export const modelsLoad: Check = {
  id: 'models-load',
  topic: 'models',
  title: 'models load',
  limitMs: LOAD_MS,
  run: async ({ loaded }) => {
    const { modelsDir } = loaded.values;
    const names = namesIn(modelsDir);
    const [small, large] = split(modelsDir, names);
    const readings = small.length === 0 ? [] : await readSignatures(modelsDir, small);
    return judgeLoads(readings, large);
  },
};

/** @param large models that were not tried, with their size. */
export function judgeLoads(readings: readonly ModelReading[], large: readonly string[]): Judgement {
  const bad = readings.flatMap((reading) => ('error' in reading ? [reading.error] : []));
  const good = readings.flatMap((reading) => ('loaded' in reading ? [reading.loaded.signature] : []));
  const notes = good.flatMap(({ name, warnings }) => warnings.map((warning) => `${name}: ${warning}`));
  const untried = large.map((text) => `${text} was not tried: it may not fit next to what runs here`);
  if (bad.length > 0) {
    const { found, details } = several([...bad.map((error) => error.message), ...notes, ...untried]);
    const none = good.length === 0 && large.length === 0;
    return fail(found, bad[0]?.hint, { details, blocks: none ? WORKERS : [] });
  }
  if (notes.length > 0) {
    const { found, details } = several([...notes, ...untried]);
    return warn(found, 'docs/models.md says what each means', { details });
  }
  if (good.length === 0) return skip(untried[0] ?? 'there is no model to load');
  const lines = [...good.map(({ name, version }) => `${name}@${version}`), ...untried];
  return ok(
    `${good.length === 1 ? '1 model loads' : `${good.length} models load`}, as a worker loads them`,
    lines,
  );
}

function namesIn(dir: string): string[] {
  try {
    return modelNames(dir);
  } catch (error) {
    if (error instanceof InferError) throw new Unmet('there is no models directory to read');
    throw error;
  }
}

function split(dir: string, names: readonly string[]): [small: string[], large: string[]] {
  const small: string[] = [];
  const large: string[] = [];
  for (const name of names) {
    // If it cannot be read, loading it says why.
    const bytes = readable(dir, name)?.sizeBytes ?? 0;
    if (bytes > freemem() * MEMORY_SHARE) large.push(`${name} (${formatBytes(bytes)})`);
    else small.push(name);
  }
  return [small, large];
}
