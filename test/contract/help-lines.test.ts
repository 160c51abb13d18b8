import { Config } from '@oclif/core';
import { describe, expect, it } from 'vitest';
import InferHelp from '../../src/lib/cli/hooks/help.js';
import { ROOT } from '../support/cli.js';
import { COMMANDS } from './command-line.js';

/** oclif's formatter is protected: this is what `infer help COMMAND` prints. */
class Printed extends InferHelp {
  text = '';
  protected override log(...lines: string[]): void {
    this.text += `${lines.join(' ')}\n`;
  }
}

async function pageOf(id: string, maxWidth: number): Promise<string[]> {
  // oclif changes the ids of commands that it prints, so each page uses a new program.
  const config = await Config.load({ root: ROOT });
  const help = new Printed(config, { maxWidth, stripAnsi: true });
  await help.showHelp(id.split(':'));
  return help.text.split('\n');
}

const shown = Object.entries(COMMANDS).filter(([, { hidden }]) => hidden !== true);

describe.each([60, 80, 120])('help at %i columns', (width) => {
  it.each(shown)('of %s breaks no command or flag over two lines', async (id, { examples = [] }) => {
    const lines = await pageOf(id, width);
    const page = lines.join('\n');
    for (const example of examples) {
      for (const line of example.split('\n').filter((one) => one.startsWith('<%')))
        expect(lines.map((one) => one.trim())).toContain(
          `$ ${line.replaceAll('<%= config.bin %>', 'infer')}`,
        );
    }
    const usage = page.slice(page.indexOf('USAGE'), page.indexOf('\n\n', page.indexOf('USAGE')));
    for (const line of usage.split('\n').slice(1)) {
      expect(line.split('[').length, `broken within a flag: ${line}`).toBe(line.split(']').length);
      // A flag whose values exceed a line gets its own line.
      if (/\] \[/.test(line)) expect(line.length).toBeLessThanOrEqual(width);
    }
    // An example may end with a flag: `infer workers logs rt -f`.
    const whole = new Set(
      examples.flatMap((one) => one.replaceAll('<%= config.bin %>', '$ infer').split('\n')),
    );
    for (const line of lines.filter((one) => !whole.has(one.trim())))
      expect(line, line).not.toMatch(/(^|\s)--?$|\s-\w$/);
  });
});
