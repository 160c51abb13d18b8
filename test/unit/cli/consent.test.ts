import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { consent } from '../../../src/lib/cli/control/consent.js';

const asking = {
  danger: 'cancels 12 waiting jobs of batch for good',
  target: 'batch',
  yes: false,
  confirm: undefined,
  terminal: undefined,
  command: 'infer control purge batch',
  signal: new AbortController().signal,
};

/** What a person sees who types this, and the result. */
async function asked(typed: string): Promise<{ shown: string; error: unknown }> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  input.write(typed);
  const error = await consent({ ...asking, terminal: { input, output } }).catch((reason: unknown) => reason);
  return { shown: String(output.read()), error };
}

describe('a consent prompt', () => {
  it.each(['y\n', 'yes\n', ' YES \n'])('proceeds on %j', async (typed) => {
    const { shown, error } = await asked(typed);
    expect(error).toBeUndefined();
    expect(shown).toBe('This cancels 12 waiting jobs of batch for good. Continue? [y/N] ');
  });

  it.each(['\n', 'n\n', 'yeah right\n'])('refuses on %j', async (typed) => {
    expect((await asked(typed)).error).toMatchObject({ code: 'NOT_CONFIRMED', exitCode: 1 });
  });

  it('is skipped with --yes, or --confirm and the right name, one of which is required in a pipe', async () => {
    await consent({ ...asking, yes: true });
    await consent({ ...asking, confirm: 'batch' });
    await expect(consent({ ...asking, confirm: 'bath', yes: true })).rejects.toMatchObject({
      code: 'CONFIRM_NAME',
      exitCode: 2,
    });
    await expect(consent(asking)).rejects.toMatchObject({
      code: 'CONFIRM',
      exitCode: 2,
      hint: 'infer control purge batch --yes, or first infer control purge batch --dry-run',
    });
  });

  it('ends when the command is aborted or the input ends', async () => {
    const stop = new AbortController();
    const terminal = { input: new PassThrough(), output: new PassThrough() };
    const pending = consent({ ...asking, terminal, signal: stop.signal });
    stop.abort();
    await expect(pending).rejects.toThrow();
    const input = new PassThrough();
    const ended = consent({ ...asking, terminal: { input, output: new PassThrough() } });
    input.end();
    await expect(ended).rejects.toMatchObject({ code: 'NOT_CONFIRMED' });
  });
});
