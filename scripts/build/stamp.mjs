import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Everything a build depends on; a change in any of it makes dist stale. */
const SOURCES = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/build.mjs',
  'scripts/build',
  'src',
];

const STAMP = 'dist/.stamp';

/** Contents, not times: a checkout or a copy must not cause a build. */
export function sourceHash(root) {
  const hash = createHash('sha256');
  const add = (path) =>
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0');
  for (const source of SOURCES) {
    if (source.includes('.')) add(source);
    else for (const path of filesUnder(root, source)) add(path);
  }
  return hash.digest('hex');
}

export function isBuilt(root) {
  const stamp = join(root, STAMP);
  return (
    existsSync(stamp) &&
    existsSync(join(root, 'oclif.manifest.json')) &&
    readFileSync(stamp, 'utf8') === sourceHash(root)
  );
}

/**
 * Paths of all files below a folder, relative to root, in a stable order; none if it does not exist.
 * @param {string} root
 * @param {string} folder
 * @returns {string[]}
 */
export function filesUnder(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      return entry.isDirectory() ? filesUnder(root, path) : [path];
    });
}
