import { Plugin } from '@oclif/core';

/**
 * What oclif needs to know of every command (flags, arguments, help) without loading it: it is what makes
 * start-up cheap. A stale one hides flags from help, hence a contract test.
 */
export async function makeManifest(root) {
  const plugin = new Plugin({
    root,
    type: 'core',
    isRoot: true,
    ignoreManifest: true,
    errorOnManifestCreate: true,
    respectNoCacheDefault: true,
  });
  await plugin.load();
  return plugin.manifest;
}
