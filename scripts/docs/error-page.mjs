/** docs/errors.md, generated from the table of errors. */

const INTRO = `# Errors

<!-- Written by \`npm run docs\` from src/lib/core/error-codes. Edit those files, not this one. -->

Every expected failure has a code that stays the same from release to release: in \`error.code\` of \`--json\`, in \`code\` of what the
[library](library.md#errors-and-ids) throws, in the \`error\` of a job that failed, in logs and metrics. Its message says what happened and its hint what to do; both may be
reworded, so programs should check the code. For every error with a code, wherever it occurs:

- **exit** is the exit code of a command that fails with it ([exit codes](exit-codes.md)). When a job fails, the command does not exit with the code of the job's failure: \`infer submit --wait\` and
  \`infer result\` then exit 1, or 3 if some rows have results. Likewise, when workers refuse an order of \`infer control\`, each has its own code in
  the JSON, and the command exits 1, or 3 if others carried it out. \`infer cancel\`, \`infer retry\`, \`infer control move\` and \`infer control priority\` of a job that is not in
  the right state also answer with 1, or 3 if other jobs were changed; the code (\`JOB_ENDED\`, \`NOT_FAILED\`, \`NOT_WAITING\`, \`NOT_MOVABLE\`) is in their JSON and in the audit log.
- **HTTP** is the status of a response with the error.
- **retry** says that the same request may succeed later without a change by the caller. A job that fails with such a code is [tried again](reliability.md#retries).
- **fault** says who has to act. \`caller\`: the person or program that called or configured infer. \`model\`: the owner of the model or its handler. \`device\`: the machine, such as its GPU, disk or
  ports. \`broker\`: the Redis server, or the connection to it. \`bug\`: infer; please report it.

A job's \`error\` may have a code that is not listed here if another release wrote it: it counts as exit 1, 500, no retry. An error thrown by a handler becomes \`HANDLER_FAILED\`, whatever its own code.
Findings of \`infer inspect\` have [separate codes](inspect.md#one-screen).

In a program:

\`\`\`js
import { InferError } from 'infer-queue';

try {
  await infer.run(pixels, { model: 'digits' });
} catch (error) {
  if (!(error instanceof InferError)) throw error;
  const { httpStatus, retryable, fault } = error.facts;
}
\`\`\`
`;

/**
 * The whole page.
 * @param topics rows by code, by heading
 */
export function errorPage(topics) {
  const parts = Object.entries(topics).map(([heading, rows]) => `## ${heading}\n\n${table(rows)}\n`);
  return `${[INTRO, ...parts].join('\n')}`;
}

/** Columns are padded like the repository's formatter pads them. */
function table(rows) {
  const lines = Object.entries(rows)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, facts]) => cells(code, facts));
  const all = [HEAD, ...lines];
  const widths = HEAD.map((_, column) => Math.max(...all.map((line) => line[column].length)));
  const isNumber = (column) => HEAD[column] === 'exit' || HEAD[column] === 'HTTP';
  const pad = (text, column) =>
    isNumber(column) ? text.padStart(widths[column]) : text.padEnd(widths[column]);
  const rule = widths.map((width, column) =>
    isNumber(column) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
  );
  return [HEAD.map(pad), rule, ...lines.map((line) => line.map(pad))]
    .map((line) => `| ${line.join(' | ')} |`)
    .join('\n');
}

const HEAD = ['code', 'meaning', 'exit', 'HTTP', 'retry', 'fault', 'see'];

/** The anchor is the code itself, so that `errors.md#INPUT_SHAPE` works. */
function cells(code, { meaning, exitCode, httpStatus, retryable, fault, doc }) {
  return [
    `<a id="${code}"></a>\`${code}\``,
    meaning,
    String(exitCode),
    String(httpStatus),
    retryable ? 'yes' : 'no',
    fault,
    `[${doc.replace(/\.md.*/, '')}](${doc})`,
  ];
}
