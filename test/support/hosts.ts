import type { Sandbox } from './cli.js';

/** Makes a process and all its children believe that they run on the host POSING_HOST. */
const POSE = `import os from 'node:os';
import { syncBuiltinESMExports } from 'node:module';
os.hostname = () => process.env.POSING_HOST;
syncBuiltinESMExports();
`;

/**
 * The environment of processes that pretend to be on a host of this name. Our code knows nothing of it: Node loads the
 * file first, which replaces the system's answer. Two such hosts share the machine's process table, as containers in
 * one pid namespace do.
 */
export function posingHost(infer: Sandbox, name: string): Record<string, string> {
  return { POSING_HOST: name, NODE_OPTIONS: `--import=${infer.file('pose-as-host.mjs', POSE)}` };
}
