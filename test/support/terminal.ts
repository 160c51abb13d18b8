import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT, type Sandbox } from './cli.js';
import { lives } from './worker.js';

/** A pseudo terminal running `infer`, and its screen. */
export interface Terminal {
  readonly screen: Screen;
  /** Types characters. */
  type(keys: string): void;
  resize(columns: number, rows: number): void;
  signal(name: NodeJS.Signals): void;
  /** Resolves when the screen shows a match, with the lines it shows then. */
  shows(text: RegExp): Promise<string[]>;
  /** Resolves with the exit code and the terminal's modes afterwards, in the format of `stty -a`. */
  readonly ended: Promise<{ exitCode: number; modes: string }>;
  /** Process id of `infer`. */
  pid(): number;
  /** The terminal disappears, as when its window is closed or its connection breaks; resolves when it has. */
  vanish(): Promise<void>;
  /** Ends it, for a test that failed before. */
  close(): Promise<void>;
}

const SHOW_MS = 60_000;

/** Runs `infer` on a terminal of this size; needs `script` (bsdutils). */
export function openTerminal(
  infer: Sandbox,
  redisUrl: string,
  args: readonly string[],
  size = { columns: 80, rows: 24 },
  env: Record<string, string> = {},
): Terminal {
  const place = infer.file('terminal', '');
  const pidFile = infer.file('pid', '');
  const words = [process.execPath, path.join(ROOT, 'bin/run.js'), ...args]
    .map((word) => `'${word}'`)
    .join(' ');
  // The process of `infer` writes its own id: the shell execs it.
  const command = [
    `tty > '${place}'; stty cols ${size.columns} rows ${size.rows}`,
    `sh -c 'echo $$ > "${pidFile}"; exec "$@"' sh ${words}`,
    'printf "\\nexit=%s\\n" $?; stty -a; echo over',
  ].join('\n');
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: infer.dir,
      LANG: 'C.UTF-8',
      TERM: 'xterm-256color',
      NO_COLOR: '1',
      SHELL: '/bin/sh',
      INFER_STATE_DIR: path.join(infer.dir, 'state'),
      INFER_REDIS_URL: redisUrl,
      ...env,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const screen = new Screen();
  const looks = new Set<() => void>();
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text: string) => {
    screen.write(text);
    for (const look of [...looks]) look();
  });
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ended = gone.then(() => {
    const [, code, modes] = /exit=(\d+)\s+([\s\S]*)over/.exec(screen.all) ?? [];
    return { exitCode: Number(code), modes: modes ?? '' };
  });
  const pid = (): number => Number(readFileSync(pidFile, 'utf8'));
  const signal = (name: NodeJS.Signals): void => void process.kill(pid(), name);
  return {
    screen,
    type: (keys) => void child.stdin.write(keys),
    resize: (columns, rows) => {
      screen.cut(columns);
      const size = ['cols', String(columns), 'rows', String(rows)];
      execFileSync('stty', ['-F', readFileSync(place, 'utf8').trim(), ...size]);
    },
    signal,
    pid,
    vanish: async () => {
      child.kill('SIGKILL');
      await gone;
    },
    shows: (text) =>
      new Promise((resolve, reject) => {
        const done = (settle: () => void): void => {
          clearTimeout(timer);
          looks.delete(look);
          settle();
        };
        const look = (): void => {
          const { lines } = screen;
          if (screen.whole && text.test(lines.join('\n'))) done(() => resolve(lines));
        };
        const timer = setTimeout(
          () => done(() => reject(new Error(`never showed ${text}: ${screen.lines.join('\n')}`))),
          SHOW_MS,
        );
        looks.add(look);
        look();
      }),
    ended,
    close: async () => {
      // If the terminal has vanished, `infer` may have exited or not.
      if (child.exitCode === null && lives(pid())) signal('SIGKILL');
      await gone;
    },
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: sequences begin with ESC.
const SEQUENCE = /\u001b\[(\??[\d;]*)([A-Za-z])/y;

/**
 * The subset of a terminal that a live view may use: home, erase to the end of the line, and modes. Anything else
 * (clearing the screen, say, which flickers) is an error.
 */
export class Screen {
  /** Everything that was written outside the alternate screen. */
  all = '';
  alternate = false;
  cursor = true;
  wrap = true;
  /** False inside a frame that is to be shown at once. */
  whole = true;
  /** Frames drawn so far. */
  pictures = 0;
  private cells: string[] = [];
  private row = 0;
  private columns = Number.POSITIVE_INFINITY;
  private column = 0;

  get lines(): string[] {
    return this.cells.map((line) => line.trimEnd());
  }

  write(text: string): void {
    for (let at = 0; at < text.length; ) {
      SEQUENCE.lastIndex = at;
      const sequence = SEQUENCE.exec(text);
      if (sequence !== null) {
        this.control(`${sequence[1]}${sequence[2]}`);
        at += sequence[0].length;
        continue;
      }
      const char = String.fromCodePoint(text.codePointAt(at) as number);
      at += char.length;
      if (!this.alternate) this.all += char;
      else if (char === '\r') this.column = 0;
      else if (char === '\n') this.row += 1;
      else this.put(char);
    }
  }

  /** A terminal that becomes narrower drops what was beyond. */
  cut(columns: number): void {
    this.columns = columns;
    this.cells = this.cells.map((line) => [...line].slice(0, columns).join(''));
  }

  private put(char: string): void {
    const line = [...(this.cells[this.row] ?? '').padEnd(this.column)];
    line[this.column] = char;
    this.cells[this.row] = line.join('');
    this.column += 1;
  }

  private control(sequence: string): void {
    switch (sequence) {
      case '?1049h':
      case '?1049l':
        this.alternate = sequence.endsWith('h');
        this.cells = [];
        break;
      case '?25h':
      case '?25l':
        this.cursor = sequence.endsWith('h');
        break;
      case '?7h':
      case '?7l':
        this.wrap = sequence.endsWith('h');
        break;
      case '?2026h':
        this.whole = false;
        // A frame drawn for a wider terminal may arrive after the resize.
        this.cut(this.columns);
        break;
      case '?2026l':
        this.whole = true;
        this.pictures += 1;
        // A smaller screen has no more lines than its new height.
        this.cells.length = this.row + 1;
        break;
      case 'H':
        this.row = 0;
        this.column = 0;
        break;
      case 'K':
        this.cells[this.row] = (this.cells[this.row] ?? '').slice(0, this.column);
        break;
      default:
        if (this.alternate && !/^[\d;]*m$/.test(sequence))
          throw new Error(`the terminal was sent ESC[${sequence}`);
    }
  }
}
