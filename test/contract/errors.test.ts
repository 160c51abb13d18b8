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
import { NO_ETA, REASONS } from '../../src/lib/deployment/place/reasons.js';
import { ROOT } from '../support/cli.js';
import { DOC_PAGES, leads } from './links.js';
import { withoutComments } from './source.js';

const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');
const ROWS = Object.entries(ERRORS) as [ErrorCode, ErrorFacts][];

/** The sources without the table, comments and problem codes, which are a separate vocabulary. */
const SOURCES = readdirSync(path.join(ROOT, 'src'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)))
  .filter((file) => !file.includes('core/error-codes/') && !/problems\.ts$/.test(file))
  .map((file) => ({ file, text: withoutComments(read(file)) }));

const PAGES = ['README.md', ...DOC_PAGES];

describe('the table of errors', () => {
  it('matches docs/errors.md (npm run docs writes it)', () => {
    expect(read('docs/errors.md')).toBe(errorPage(ERROR_TOPICS));
  });

  it('has each code once', () => {
    const codes = Object.values(ERROR_TOPICS).flatMap((rows) => Object.keys(rows));
    expect(codes.filter((code, at) => codes.indexOf(code) !== at)).toEqual([]);
    expect(codes.length).toBe(ROWS.length);
    // A code written twice within one topic's file would silently override the first.
    const written = readdirSync(path.join(ROOT, 'src/lib/core/error-codes')).flatMap((file) =>
      [...read(`src/lib/core/error-codes/${file}`).matchAll(/^ *(?:\{ )?([A-Z][A-Z_]+): ['"]/gm)].map(
        ([, code]) => code as string,
      ),
    );
    expect(written.filter((code, at) => written.indexOf(code) !== at)).toEqual([]);
  });

  it('has only codes that are used', () => {
    const text = SOURCES.map((source) => source.text).join('\n');
    expect(ROWS.map(([code]) => code).filter((code) => !text.includes(`'${code}'`))).toEqual([]);
  });

  it.each(ROWS)('links %s to an existing section and explains it in one sentence', (_, { doc, meaning }) => {
    expect(leads('docs/errors.md', doc)).toBe(true);
    expect(meaning).toMatch(/^[A-Z`i].*[^.]\.$/);
  });

  it('marks an error retryable only with an HTTP status that says so', () => {
    const again = [408, 409, 429, 502, 503, 504];
    const wrong = ROWS.filter(([, { retryable, httpStatus }]) => retryable && !again.includes(httpStatus));
    expect(wrong.map(([code]) => code)).toEqual([]);
  });

  it('blames no caller for a bug, and never Redis for bad input', () => {
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
  it('raise only errors of the table', () => {
    const raised = SOURCES.flatMap(({ file, text }) =>
      [...text.matchAll(/\b(?:new InferError|badInput)\(\s*'([^']*)'/g)].map(([, code]) => ({ file, code })),
    );
    expect(raised.length).toBeGreaterThan(150);
    expect(raised.filter(({ code }) => !isErrorCode(code as string))).toEqual([]);
  });

  it('cast a string to an error code in one file only, which reads records', () => {
    const casts = SOURCES.filter(({ text }) => /\bas (?:ErrorCode|InputCode)\b/.test(text));
    expect(casts.map(({ file }) => file)).toEqual(['src/lib/core/errors.ts']);
  });

  it('decide nothing by an exit code: it is for shells, and traits are in the table', () => {
    const deciding = SOURCES.filter(({ text }) =>
      /\bexitCode\b\)?\s*[!=]==(?!\s*undefined)|includes\([\w.]*exitCode\)|case ExitCode\./.test(text),
    );
    // oclif's own errors have no code.
    expect(deciding.map(({ file }) => file)).toEqual(['src/lib/cli/output/error.ts']);
  });

  it('keep no lists of codes of their own: shared traits are in the table', () => {
    // Table headings may coincide with codes; the OpenAPI document lists the errors of each route.
    const others = /^src\/lib\/(cli\/views\/|serve\/openapi\/|serve\/.*-docs\.ts$)/;
    const lists = SOURCES.filter(({ file }) => !others.test(file)).flatMap(({ file, text }) =>
      [...text.matchAll(/(?<!\berrors: )\[([^[\]]*)\](?!:)/g)]
        .map(([, inner = '']) => [...inner.matchAll(/'([A-Z_]+)'/g)].map(([, code]) => code as string))
        .filter((codes) => codes.filter(isErrorCode).length > 1)
        .map((codes) => `${file}: ${codes.join(', ')}`),
    );
    expect(lists).toEqual([]);
  });
});

describe('the documentation pages', () => {
  /**
   * Capitals with an underscore that are not error codes: variables of other programs, the code of a process
   * warning, findings of `infer inspect`, and the reasons why a job has not started or has no ETA.
   */
  const OTHERS = ['AUDIT_LOST', 'CUDA_VISIBLE_DEVICES', 'LD_LIBRARY_PATH', 'NO_COLOR', 'NODE_OPTIONS'];
  const FINDINGS = [...read('docs/inspect.md').matchAll(/^\| `([A-Z_]+)` /gm)].map(([, code]) => code);

  const WHY = Object.keys({ ...REASONS, ...NO_ETA });

  it.each(PAGES)('%s names only codes that exist', (file) => {
    const named = [...read(file).matchAll(/`([A-Z]{2,}(?:_[A-Z]+)+)`/g)].map(([, code]) => code as string);
    const known = (code: string) =>
      isErrorCode(code) || [...OTHERS, ...FINDINGS, ...WHY].includes(code) || code.startsWith('INFER_');
    expect(named.filter((code) => !known(code))).toEqual([]);
  });

  it('give each code its exit code', () => {
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
