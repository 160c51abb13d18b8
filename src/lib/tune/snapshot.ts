import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { InferError } from '../core/errors.js';
import { withoutMark } from '../core/text.js';

const change = z.object({ name: z.string(), from: z.string(), to: z.string() });

const snapshotShape = z.object({
  version: z.literal(1),
  /** Milliseconds since the epoch. */
  at: z.number(),
  /** Address without credentials. */
  target: z.string(),
  /** A lasting `applying` was interrupted: some servers or settings may have been changed. */
  state: z.enum(['applying', 'applied', 'undone', 'rolled-back']),
  /** Whether the change was also saved for the server's next start. */
  persisted: z.boolean(),
  nodes: z.array(z.object({ label: z.string(), changes: z.array(change) })),
});

/** What was set where, and the old values: everything needed to restore them. Contains no secrets. */
export type Snapshot = z.infer<typeof snapshotShape>;

export interface StoredSnapshot extends Snapshot {
  file: string;
}

/**
 * Snapshots of one user, in `<stateDir>/redis-tune`: not in Redis, which may be too full to store them just
 * when it has to be tuned.
 */
export class SnapshotStore {
  private readonly dir: string;

  constructor(stateDir: string) {
    this.dir = join(stateDir, 'redis-tune');
  }

  /** On disk when this returns. @throws InferError TUNE_SNAPSHOT_WRITE (exit 77). */
  create(snapshot: Snapshot): StoredSnapshot {
    const place = snapshot.target
      .replace(/^[\w-]+:\/\//, '')
      .replace(/[^\w.]+/g, '-')
      .slice(-80);
    const time = new Date(snapshot.at).toISOString().replace(/[-:.]/g, '');
    return this.save({ ...snapshot, file: join(this.dir, `${place}-${time}.json`) });
  }

  /** Replaces a snapshot atomically: a reader sees the old or the new one, even after a crash. */
  save(stored: StoredSnapshot): StoredSnapshot {
    const { file, ...snapshot } = stored;
    try {
      mkdirSync(this.dir, { recursive: true, mode: 0o700 });
      const aside = `${file}.new`;
      const fd = openSync(aside, 'w', 0o600);
      try {
        writeSync(fd, `${JSON.stringify(snapshot, null, 2)}\n`);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(aside, file);
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
      throw new InferError(
        'TUNE_SNAPSHOT_WRITE',
        `the current settings cannot be saved in ${this.dir}: ${reason}`,
        {
          hint: 'nothing was changed; choose another state directory with INFER_STATE_DIR',
        },
      );
    }
    return stored;
  }

  /** The newest snapshot of a server that can still be restored; undefined when there is none. */
  latest(target: string): StoredSnapshot | undefined {
    let names: string[];
    try {
      names = readdirSync(this.dir).filter((name) => name.endsWith('.json'));
    } catch {
      return undefined;
    }
    return names
      .map((name) => readSnapshot(join(this.dir, name)))
      .filter((found) => found?.target === target && isOpen(found))
      .sort((a, b) => (a?.at ?? 0) - (b?.at ?? 0))
      .at(-1);
  }

  /** A snapshot by its file. @throws InferError TUNE_SNAPSHOT (exit 66). */
  open(file: string): StoredSnapshot {
    const found = readSnapshot(file);
    if (found !== undefined) return found;
    throw new InferError('TUNE_SNAPSHOT', `${file} is not a snapshot of infer redis-tune`, {
      hint: `they are in ${this.dir}; without a file the newest of this server is used`,
    });
  }
}

const isOpen = ({ state }: Snapshot): boolean => state === 'applied' || state === 'applying';

function readSnapshot(file: string): StoredSnapshot | undefined {
  try {
    return { ...snapshotShape.parse(JSON.parse(withoutMark(readFileSync(file, 'utf8')))), file };
  } catch {
    return undefined;
  }
}
