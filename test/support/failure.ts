import { expect } from 'vitest';
import type { Outcome, RunOptions, Sandbox } from './cli.js';

export interface ExpectedFailure {
  exitCode: number;
  code: string | RegExp;
  /** What happened, as the user reads it. */
  message: string | RegExp;
  /** What to do about it. */
  fix: string | RegExp;
}

interface FailureJson {
  ok: boolean;
  error: { code: string; message: string; hint: string | null; exitCode: number };
}

/**
 * Runs a command that must fail, as text and with --json, and checks both: the same words, the exit code, nothing on
 * the wrong stream, and no stack trace.
 */
export async function expectFailure(
  infer: Sandbox,
  args: readonly string[],
  expected: ExpectedFailure,
  options: RunOptions = {},
): Promise<void> {
  const [text, json] = await Promise.all([infer.run(args, options), inJson(infer, args, options)]);
  const { ok, error } = json.json<FailureJson>();
  expect(text.stderr).toMatch(matching(expected.message));
  expect(text.stderr).toMatch(matching(expected.fix));
  expect(text.stderr).toMatch(/^Error: .+\n( {7}.+\n)*Try: .+\n( {5}.+\n)*$/);
  expect([text.exitCode, text.stdout]).toEqual([expected.exitCode, '']);
  expect([ok, json.exitCode, json.stderr]).toEqual([false, expected.exitCode, '']);
  expect(error).toEqual({
    code: expect.stringMatching(matching(expected.code)),
    message: expect.stringMatching(matching(expected.message)),
    hint: expect.stringMatching(matching(expected.fix)),
    exitCode: expected.exitCode,
  });
}

/** Another process shows the text, so this needs none of its own, unless the case is about the process. */
function inJson(infer: Sandbox, args: readonly string[], options: RunOptions): Promise<Outcome> {
  const { through, stdin, ...plain } = options;
  const words = [...args, '--json'];
  if (args[0] === 'worker' || through !== undefined) return infer.run(words, options);
  if (stdin === undefined) return infer.ask(words, plain);
  return typeof stdin === 'object' && 'open' in stdin
    ? infer.run(words, options)
    : infer.ask(words, { ...plain, stdin });
}

function matching(text: string | RegExp): RegExp {
  return text instanceof RegExp ? text : new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
}
