import { Plugin } from '@oclif/core';

/**
 * What oclif needs to know about every command (flags, arguments, help) without loading it, which makes
 * start-up fast. A stale manifest hides flags from help; a contract test checks for that.
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
