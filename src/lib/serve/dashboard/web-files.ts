import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { InferError } from '../../core/errors.js';
import { packageRoot } from '../../model/package-root.js';

type Encoding = 'br' | 'gzip';

/** A file of the page, in memory. */
export interface WebFile {
  readonly type: string;
  readonly body: Buffer;
  /** A strong entity tag of its content, with quotes. */
  readonly etag: string;
  /** Its name contains a hash of its content, so it never changes. */
  readonly immutable: boolean;
  /** Compressed once, when it is first asked for; undefined where that saves nothing. */
  encoded(encoding: Encoding): Promise<Buffer> | undefined;
}

/** The page's file. */
export const PAGE = 'index.html';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};
const TEXT = /^(?:text\/|application\/|image\/svg)/;
/** `app-5KQXZ2TB.js`, as esbuild names them. */
const HASHED = /[-.][A-Za-z0-9]{8,}\.[a-z0-9]+$/;
const SMALLEST_ENCODED = 512;

const deflate = {
  br: (body: Buffer) =>
    promisify(brotliCompress)(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }) as Promise<Buffer>,
  gzip: (body: Buffer) => promisify(gzip)(body, { level: 9 }) as Promise<Buffer>,
};

/** Where `npm run build` puts the page. */
function webDir(): string {
  return path.join(packageRoot(), 'dist', 'web');
}

/**
 * The files of the page by their path, such as `index.html`. They are about 150 KB, and are read once: a build
 * that replaces them does not mix two versions.
 * @throws InferError DASHBOARD_MISSING (70).
 */
export function readWebFiles(dir = webDir()): Map<string, WebFile> {
  const files = new Map<string, WebFile>();
  let entries: ReturnType<typeof list>;
  try {
    entries = list(dir);
  } catch (error) {
    throw missing(dir, error);
  }
  for (const entry of entries) {
    const type = TYPES[path.extname(entry.name).toLowerCase()];
    // Source maps and compressed copies are not part of the page.
    if (!entry.isFile() || type === undefined) continue;
    const file = path.join(entry.parentPath, entry.name);
    const name = path.relative(dir, file).split(path.sep).join('/');
    files.set(name, webFile(name, type, readFileSync(file)));
  }
  if (!files.has(PAGE)) throw missing(dir);
  return files;
}

function list(dir: string) {
  return readdirSync(dir, { recursive: true, withFileTypes: true });
}

function webFile(name: string, type: string, body: Buffer): WebFile {
  const digest = createHash('sha256').update(body).digest('base64url').slice(0, 22);
  const kept: Partial<Record<Encoding, Promise<Buffer>>> = {};
  return {
    type,
    body,
    etag: `"${digest}"`,
    immutable: name !== PAGE && HASHED.test(name),
    encoded: (encoding) => {
      if (!TEXT.test(type) || body.length < SMALLEST_ENCODED) return undefined;
      kept[encoding] ??= deflate[encoding](body);
      return kept[encoding];
    },
  };
}

function missing(dir: string, cause?: unknown): InferError {
  return new InferError(
    'DASHBOARD_MISSING',
    `${path.join(dir, PAGE)} is missing: the dashboard is not built`,
    {
      hint: 'npm run build',
      cause,
    },
  );
}
