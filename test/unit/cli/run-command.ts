import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';

export interface CommandRun {
  stdout: string;
  stderr: string;
  exitCode: number;
}

interface Runnable {
  run(argv: string[], options: { root: string }): Promise<unknown>;
}

/** Runs a command class in this process, as `infer …` would, in a folder without configuration. */
export async function runCommand(
  command: Runnable,
  argv: string[],
  env: Record<string, string> = {},
): Promise<CommandRun> {
  const root = mkdtempSync(join(tmpdir(), 'infer-command-'));
  writeFileSync(
    join(root, 'package.json'),
    '{"name":"infer-test","version":"1.0.0","oclif":{"bin":"infer","dirname":"infer"}}',
  );
  const run: CommandRun = { stdout: '', stderr: '', exitCode: 0 };
  const collect = (name: 'stdout' | 'stderr') =>
    vi.spyOn(process[name], 'write').mockImplementation(((text: string, done?: (error?: Error) => void) => {
      run[name] += text;
      if (typeof done === 'function') done();
      return true;
    }) as never);
  const spies = [collect('stdout'), collect('stderr'), vi.spyOn(process, 'cwd').mockReturnValue(root)];
  for (const [name, value] of Object.entries({ XDG_CONFIG_HOME: root, HOME: root, ...env }))
    vi.stubEnv(name, value);
  const before = process.exitCode;
  process.exitCode = undefined;
  try {
    await command.run(argv, { root });
    run.exitCode = Number(process.exitCode ?? 0);
  } catch (error) {
    run.exitCode = (error as { oclif?: { exit?: number } }).oclif?.exit ?? 1;
  } finally {
    process.exitCode = before;
    vi.unstubAllEnvs();
    for (const spy of spies) spy.mockRestore();
    rmSync(root, { recursive: true, force: true });
  }
  return run;
}
