import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessRow {
  pid: number;
  parent: number;
  group: number;
  /** Short name, as in the kernel. */
  name: string;
  /** Arguments and environment, joined, to search for a path or a mark. */
  text: string;
}

/** Every process of this machine, from /proc: a minimal Debian has no `ps`. Linux only, like the tests that use it. */
export function processTable(): ProcessRow[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const close = stat.lastIndexOf(')');
        const [, parent, group] = stat.slice(close + 2).split(' ');
        const text = ['cmdline', 'environ']
          .map((file) => readFileSync(`/proc/${name}/${file}`, 'utf8'))
          .join('\0');
        return [
          {
            pid: Number(name),
            parent: Number(parent),
            group: Number(group),
            name: stat.slice(stat.indexOf('(') + 1, close),
            text: text.replaceAll('\0', ' '),
          },
        ];
      } catch {
        // It exited meanwhile, or belongs to another user.
        return [];
      }
    });
}

/**
 * The kernel's letter for a process's state: `T` is stopped, `Z` dead and not yet reaped; undefined once it has exited.
 */
export function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[0];
  } catch {
    return undefined;
  }
}
