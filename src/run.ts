import { startProcess } from './lib/cli/process-start.js';

if (startProcess(process.argv.slice(2))) {
  // Loaded only now: oclif looks for a home directory as it loads.
  const { runCommand } = await import('./lib/cli/run-command.js');
  await runCommand(import.meta.url);
}
