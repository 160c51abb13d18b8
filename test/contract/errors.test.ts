import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorPage } from '../../scripts/docs/error-page.mjs';
import {
  ERROR_TOPICS,
  ERRORS,
  type ErrorCode,
  type ErrorFacts,
  isErrorCode,
} from '../../src/lib/core/error-table.js';
import { ExitCode } from '../../src/lib/core/exit-codes.js';
import { ROOT } from '../support/cli.js';
import { leads } from './links.js';
import { withoutComments } from './source.js';

const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');
const ROWS = Object.entries(ERRORS) as [ErrorCode, ErrorFacts][];

/** The sources without the table, comments and codes of problems, which are a vocabulary of their own. */
const SOURCES = readdirSync(path.join(ROOT, 'src'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)))
  .filter((file) => !file.includes('core/error-codes/') && !/problems\.ts$/.test(file))
  .map((file) => ({ file, text: withoutComments(read(file)) }));

const PAGES = ['README.md', ...readdirSync(path.join(ROOT, 'docs')).map((file) => `docs/${file}`)];

describe('the table of errors', () => {
  it('is what docs/errors.md says (npm run docs writes it)', () => {
    expect(read('docs/errors.md')).toBe(errorPage(ERROR_TOPICS));
  });

  it('has each code once', () => {
    const codes = Object.values(ERROR_TOPICS).flatMap((rows) => Object.keys(rows));
    expect(codes.filter((code, at) => codes.indexOf(code) !== at)).toEqual([]);
    expect(codes.length).toBe(ROWS.length);
    // A code that is written twice within one topic's file would silently win.
    const written = readdirSync(path.join(ROOT, 'src/lib/core/error-codes')).flatMap((file) =>
      [...read(`src/lib/core/error-codes/${file}`).matchAll(/^ *(?:\{ )?([A-Z][A-Z_]+): ['"]/gm)].map(
        ([, code]) => code as string,
      ),
    );
    expect(written.filter((code, at) => written.indexOf(code) !== at)).toEqual([]);
  });

  it('has a use for each code', () => {
    const text = SOURCES.map((source) => source.text).join('\n');
    expect(ROWS.map(([code]) => code).filter((code) => !text.includes(`'${code}'`))).toEqual([]);
  });

  it.each(ROWS)('%s is explained where it says, in one sentence', (_, { doc, meaning }) => {
    expect(leads('docs/errors.md', doc)).toBe(true);
    expect(meaning).toMatch(/^[A-Z`i].*[^.]\.$/);
  });

  it('tells callers to try again only with a status that says so', () => {
    const again = [408, 409, 429, 502, 503, 504];
    const wrong = ROWS.filter(([, { retryable, httpStatus }]) => retryable && !again.includes(httpStatus));
    expect(wrong.map(([code]) => code)).toEqual([]);
  });

  it('blames no caller for a bug, and Redis for no bad input', () => {
    const wrong = ROWS.filter(
      ([, { fault, httpStatus, exitCode }]) =>
        (fault === 'bug' && httpStatus !== 500) ||
        (exitCode === ExitCode.Internal && httpStatus !== 500) ||
        (exitCode === ExitCode.TryAgain && httpStatus === 500),
    );
    expect(wrong.map(([code]) => code)).toEqual([]);
  });
});

describe('the sources', () => {
  it('raise no error that the table does not have', () => {
    const raised = SOURCES.flatMap(({ file, text }) =>
      [...text.matchAll(/\b(?:new InferError|badInput)\(\s*'([^']*)'/g)].map(([, code]) => ({ file, code })),
    );
    expect(raised.length).toBeGreaterThan(150);
    expect(raised.filter(({ code }) => !isErrorCode(code as string))).toEqual([]);
  });

  it('call a text a code of the table in one place, which reads records', () => {
    const casts = SOURCES.filter(({ text }) => /\bas (?:ErrorCode|InputCode)\b/.test(text));
    expect(casts.map(({ file }) => file)).toEqual(['src/lib/core/errors.ts']);
  });

  it('keep no list of codes of their own: what codes have in common is in the table', () => {
    // Headings of tables may be the words that codes are.
    const lists = SOURCES.filter(({ file }) => !file.startsWith('src/lib/cli/views/')).flatMap(
      ({ file, text }) =>
        [...text.matchAll(/\[([^[\]]*)\](?!:)/g)]
          .map(([, inner = '']) => [...inner.matchAll(/'([A-Z_]+)'/g)].map(([, code]) => code as string))
          .filter((codes) => codes.filter(isErrorCode).length > 1)
          .map((codes) => `${file}: ${codes.join(', ')}`),
    );
    expect(lists).toEqual([]);
  });
});

describe('the pages', () => {
  /** Capitals with an underscore that are no code: variables of other programs, findings of `infer inspect`. */
  const OTHERS = ['CUDA_VISIBLE_DEVICES', 'LD_LIBRARY_PATH', 'NO_COLOR', 'NODE_OPTIONS'];
  const FINDINGS = [...read('docs/inspect.md').matchAll(/^\| `([A-Z_]+)` /gm)].map(([, code]) => code);

  it.each(PAGES)('%s names no code that there is not', (file) => {
    const named = [...read(file).matchAll(/`([A-Z]{2,}(?:_[A-Z]+)+)`/g)].map(([, code]) => code as string);
    const known = (code: string) =>
      isErrorCode(code) || OTHERS.includes(code) || FINDINGS.includes(code) || code.startsWith('INFER_');
    expect(named.filter((code) => !known(code))).toEqual([]);
  });

  it('give each code the exit code that it has', () => {
    const told = PAGES.flatMap((file) =>
      [
        ...read(file).matchAll(/`([A-Z_]{3,})`,? \(?exit (\d+)/g),
        ...[...read(file).matchAll(/\b[Ee]xits? (?:with )?(\d+) \(`([A-Z_]{3,})`/g)].map(
          ([all, exit, code]) => [all, code, exit],
        ),
      ].map(([, code, exit]) => ({ file, code: code as string, exit: Number(exit) })),
    );
    expect(told.length).toBeGreaterThan(8);
    const wrong = told.filter(({ code, exit }) => isErrorCode(code) && ERRORS[code].exitCode !== exit);
    expect(wrong).toEqual([]);
  });
});
