import type { InferClient } from '../client/client.js';
import { isLeftOf } from '../client/score/resume-state.js';
import { refusesRows, type Scored, type ScoreOptions, score } from '../client/score/score.js';
import { InferError } from '../core/errors.js';
import { chunkId } from '../core/job.js';
import { printable, terminalText } from '../core/printable.js';
import { quoteWord } from '../core/quote-word.js';
import type { FoundFiles } from '../input/files/find-files.js';
import type { ModelSignature } from '../model/signature.js';
import { gzipSink } from '../output/gzip-sink.js';
import { isOneOf, isReplaced, openSink } from '../output/open-sink.js';
import { TABLE_FORMATS, type TableFormat } from '../output/table/table.js';
import { formatOfName, isPackedName } from '../output/table/table-writer.js';
import { invocation } from './invocation.js';
import { sayWait } from './job-place.js';
import { writeText } from './output/json.js';
import { ProgressBar, type ProgressTarget } from './output/progress.js';
import { outputError } from './result-output.js';

/**
 * Where and how `infer score` writes.
 * @param inputs the files that are read
 * @throws InferError OUTPUT_FORMAT, OUTPUT_IS_INPUT (2), OUTPUT_FILE (78)
 */
export async function scoreOutput(
  path: string,
  asked: TableFormat | undefined,
  inputs: FoundFiles,
  signal: AbortSignal,
): Promise<ScoreOptions['output']> {
  const format = asked ?? formatOfName(path);
  if (format === undefined) {
    throw new InferError(
      'OUTPUT_FORMAT',
      `the name ${printable(path)} does not say how the output is to be written`,
      {
        hint: `name it .${TABLE_FORMATS.join(', .')}, or add --output-format ${TABLE_FORMATS[0]}`,
      },
    );
  }
  const isPacked = isPackedName(path);
  if (isPacked && format === 'parquet') {
    throw new InferError(
      'OUTPUT_FORMAT',
      'a Parquet file is read from its end, so it is not packed with gzip',
      {
        hint: 'leave out .gz: its pages are compressed already',
      },
    );
  }
  const target = path === '-' ? '/dev/stdout' : path;
  const isFile = await isReplaced(target).catch((error: unknown) => {
    throw outputError(path, error);
  });
  const read = inputs.files.flatMap(({ source }) =>
    'fetch' in source ? [] : ['path' in source ? source.path : process.stdin.fd],
  );
  if (await isOneOf(target, read)) {
    const which = inputs.several ? 'one of the files that are read' : 'the file that is read';
    throw new InferError('OUTPUT_IS_INPUT', `${printable(path)} is ${which}`, {
      hint: 'name another file; a failed run could otherwise leave neither the rows nor their predictions',
    });
  }
  const standard: typeof writeText = (stream, data) =>
    // On a terminal, a cell must not move the cursor.
    writeText(stream, typeof data === 'string' && isTerminal(stream) ? terminalText(data) : data);
  const open = async () => {
    const sink = await openSink(target, { signal, standard });
    return isPacked ? gzipSink(sink) : sink;
  };
  return { path, format, isFile, open };
}

/** Of a folder or pattern, the files of an unfinished run with this output are no rows. */
export function withoutLeft(found: FoundFiles, output: string): FoundFiles {
  const files = found.files.filter(({ name }) => !isLeftOf(output, name));
  return found.several && files.length > 0 ? { ...found, files } : found;
}

function isTerminal(stream: object): boolean {
  return 'isTTY' in stream && stream.isTTY === true;
}

/** Runs `score` with a bar: first of the rows that workers have done, then of those written. */
export async function runScore(
  client: InferClient,
  signature: ModelSignature,
  options: ScoreOptions,
  shown: {
    target: ProgressTarget;
    note(text: string): void;
    warn(text: string): void;
    onGroup(group: string): void;
  },
): Promise<Scored> {
  const running = new ProgressBar(shown.target, { label: 'scoring', unit: 'rows', joins: true });
  let writing: ProgressBar | undefined;
  const { infer } = invocation();
  try {
    return await score(client, signature, options, {
      onGroup: (group, { resumed, unfinished }) => {
        shown.onGroup(group);
        if (resumed) shown.note(`continuing group ${group}`);
        if (unfinished !== undefined) {
          const id = printable(unfinished);
          shown.note(
            `the unfinished run before this, group ${id}, is left alone: ${infer} cancel ${id} stops it`,
          );
        }
      },
      onSent: (group) => void sayWait(client, chunkId(group, 0), shown),
      onRows: (done, total) => {
        if (total !== undefined) running.setTotal(total);
        running.set(done);
      },
      onWriting: (total) => {
        running.finish();
        writing = new ProgressBar(shown.target, { label: 'writing', unit: 'rows', total });
      },
      onWritten: (rows) => writing?.set(rows),
    });
  } catch (error) {
    throw outputError(options.output.path, error);
  } finally {
    running.finish();
    writing?.finish();
  }
}

export { refusesRows };

/** The command that continues an unfinished run, from the words of the one that began it. */
export function resumeCommand(typed: readonly string[]): string {
  const words = typed.includes('--resume') ? typed : [...typed, '--resume'];
  return [invocation().infer, 'score', ...words.map(quoteWord)].join(' ');
}
