import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { settingFlags } from '../../lib/cli/flags.js';
import { tokenFileOf } from '../../lib/cli/token-file.js';
import { printable } from '../../lib/core/job.js';

/** Removes a token. */
export default class TokenRevoke extends BaseCommand<typeof TokenRevoke> {
  static override summary = 'remove a token';
  static override description =
    'Running gateways refuse it within a second. Its jobs continue; a new token of the same name can read them.';
  static override examples = [
    '<%= config.bin %> token revoke web',
    '<%= config.bin %> token revoke web --token-file /etc/infer/tokens.json',
  ];
  static override args = { name: Args.string({ required: true, description: 'name of the token' }) };
  static override flags = { ...settingFlags('tokenFile') };

  async run(): Promise<{ name: string; file: string }> {
    const { removeToken } = await import('../../lib/serve/auth/token-file.js');
    const file = tokenFileOf(this.settings);
    const { name } = this.args;
    await removeToken(file, name);
    this.note(`revoked ${printable(name)}`);
    return { name, file };
  }
}
