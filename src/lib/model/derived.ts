import type { ModelManifest } from './manifest.js';

/** Where a field of a model's settings comes from, if it is not written in model.json. */
export interface Origin {
  /** As in model.json: `labels`, `inputs.x.shape`. */
  field: string;
  /** `config.json id2label`, `config.pbtxt max_batch_size`, `model.json`. */
  from: string;
  /** Whether the file says it only indirectly. */
  assumed: boolean;
}

/** Settings of a model that were read from files made for other programs. */
export interface Derived {
  manifest: ModelManifest;
  origins: Origin[];
  /** What was assumed or left out: one sentence each, without a full stop. */
  notes: string[];
}

export function derived(): Derived {
  return { manifest: {}, origins: [], notes: [] };
}

/** Settings where those of the later argument count: fields whole, inputs and outputs by name and field. */
export function merged(...all: readonly Derived[]): Derived {
  const found = derived();
  for (const { manifest, origins, notes } of all) {
    const known = found.manifest;
    found.manifest = { ...known, ...manifest };
    for (const section of ['inputs', 'outputs'] as const) {
      const names = new Set([...Object.keys(known[section] ?? {}), ...Object.keys(manifest[section] ?? {})]);
      if (names.size === 0) continue;
      found.manifest[section] = Object.fromEntries(
        [...names].map((name) => [name, { ...known[section]?.[name], ...manifest[section]?.[name] }]),
      );
    }
    found.origins = [
      ...found.origins.filter(({ field }) => !origins.some((origin) => origin.field === field)),
      ...origins,
    ];
    found.notes.push(...notes);
  }
  return found;
}

/** The settings that model.json gives, as the origin of their fields. */
export function fromManifest(manifest: ModelManifest): Derived {
  const origins: Origin[] = [];
  const add = (field: string) => origins.push({ field, from: 'model.json', assumed: false });
  for (const [field, value] of Object.entries(manifest)) {
    if (field !== 'inputs' && field !== 'outputs') {
      add(field);
      continue;
    }
    for (const [name, tensor] of Object.entries(value as NonNullable<ModelManifest['inputs']>))
      for (const own of Object.keys(tensor)) add(`${field}.${name}.${own}`);
  }
  return { manifest, origins, notes: [] };
}

/** `task: assumed from config.json architectures[0]`. */
export function originText({ field, from, assumed }: Origin): string {
  return `${field}: ${assumed ? 'assumed from ' : ''}${from}`;
}
