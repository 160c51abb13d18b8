import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../support/cli.js';

/** The pages of docs/, relative to the root; its pictures are no pages. */
export const DOC_PAGES: readonly string[] = readdirSync(path.join(ROOT, 'docs'))
  .filter((file) => file.endsWith('.md'))
  .map((file) => `docs/${file}`);

/**
 * Whether a link of a page leads to an existing file, and to one of its headings or anchors. Paths are relative to the
 * root.
 */
export function leads(from: string, link: string): boolean {
  const [target = '', anchor] = link.split('#');
  const file = target === '' ? from : path.posix.join(path.posix.dirname(from), target);
  const found = path.join(ROOT, file);
  if (!existsSync(found)) return false;
  if (anchor === undefined) return true;
  return statSync(found).isFile() && anchorsOf(readFileSync(found, 'utf8')).has(anchor);
}

/** Anchors of headings, as GitHub generates them, and explicit ones. */
function anchorsOf(text: string): Set<string> {
  const prose = text.replace(/^\s*```[\s\S]*?^\s*```/gm, '');
  const headings = [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => slug(heading as string));
  const written = [...prose.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id as string);
  return new Set([...headings, ...written]);
}

function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');
}
