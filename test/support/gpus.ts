import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface PosingGpu {
  uuid: string;
  /** MiB. */
  free?: number;
}

/** A program that stands in for nvidia-smi, so that a host without GPUs seems to have some. */
export interface PosingGpus {
  /** Directory of the program, for the front of PATH. */
  readonly dir: string;
  /** From now on these GPUs exist, numbered in this order. */
  set(gpus: readonly PosingGpu[]): void;
  /** From now on it prints this for any query. */
  say(text: string, exitCode?: number): void;
  /** Answers to a query and to `-L`. */
  answer(query: string, listing?: string): void;
  /** From now on it behaves like an old driver without MIG. */
  old(query: string): void;
  /** From now on it never answers; its processes have this in their arguments. */
  hang(): void;
}

const TOTAL_MIB = 40_960;

export function posingUuid(n: number): string {
  return `GPU-${String(n).padStart(8, '0')}-aaaa-bbbb-cccc-0123456789ab`;
}

/** Creates the program in `<dir>/bin`, with no GPU at first. */
export function posingGpus(dir: string): PosingGpus {
  const bin = join(dir, 'bin');
  const place = (name: string) => join(dir, name);
  mkdirSync(bin, { recursive: true });
  // `-i <uuid>` limits the answer, as in the real program.
  writeFileSync(
    join(bin, 'nvidia-smi'),
    `#!/bin/sh
cd '${dir}' || exit 1
if [ -e hang ]; then sleep 600; fi
if [ -e say ]; then cat say; exit "$(cat code)"; fi
case "$*" in *mig.mode*) if [ -e old ]; then cat old; exit 2; fi ;; esac
case "$1" in
  -L) exec cat listing ;;
  -i) grep -F "$2" query || { echo 'No devices were found'; exit 6; } ;;
  *) exec cat query ;;
esac
`,
  );
  chmodSync(join(bin, 'nvidia-smi'), 0o755);
  const clear = () => {
    for (const file of ['hang', 'say', 'old']) rmSync(place(file), { force: true });
  };
  const posing: PosingGpus = {
    dir: bin,
    set: (gpus) => {
      const rows = gpus.map(({ uuid, free = TOTAL_MIB }, index) =>
        [index, uuid, TOTAL_MIB, TOTAL_MIB - free, free, 5, 'Disabled', 'NVIDIA Posing'].join(', '),
      );
      if (rows.length === 0) posing.say('No devices were found\n', 6);
      else posing.answer(`${rows.join('\n')}\n`);
    },
    say: (text, exitCode = 0) => {
      clear();
      writeFileSync(place('code'), String(exitCode));
      writeFileSync(place('say'), text);
    },
    answer: (query, listing = '') => {
      clear();
      writeFileSync(place('query'), query);
      writeFileSync(place('listing'), listing);
    },
    old: (query) => {
      posing.answer(query);
      writeFileSync(place('old'), 'Field "mig.mode.current" is not a valid field to query.\n\n');
    },
    hang: () => writeFileSync(place('hang'), ''),
  };
  posing.set([]);
  return posing;
}
