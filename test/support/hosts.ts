import type { Sandbox } from './cli.js';

/** Makes a process and all that it starts believe that it runs on the host POSING_HOST. */
const POSE = `import os from 'node:os';
import { syncBuiltinESMExports } from 'node:module';
os.hostname = () => process.env.POSING_HOST;
syncBuiltinESMExports();
`;

/**
 * The environment of processes that pose as a host of this name. Nothing of ours knows of it: Node
 * loads the file first, and the system's answer is another one. What two of them share is the
 * machine's table of processes, as containers in one pid namespace do.
 */
export function posingHost(infer: Sandbox, name: string): Record<string, string> {
  return { POSING_HOST: name, NODE_OPTIONS: `--import=${infer.file('pose-as-host.mjs', POSE)}` };
}
