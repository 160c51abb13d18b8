import { BaseCommand } from '../../lib/cli/base-command.js';
import { settingFlags } from '../../lib/cli/flags.js';
import { tokenFileOf } from '../../lib/cli/token-file.js';
import { tokensView } from '../../lib/cli/views/tokens-view.js';
import type { Scope, TokenLimits } from '../../lib/serve/auth/caller.js';

export interface TokensJson {
  file: string;
  tokens: {
    name: string;
    scopes: Scope[];
    models: string[] | null;
    limits: TokenLimits | null;
    /** First characters of the SHA-256 of each secret, to distinguish them. */
    secrets: { digest: string; createdAt: string; expiresAt: string | null; expired: boolean }[];
  }[];
}

/** Lists the tokens of the token file, without the secrets themselves. */
export default class TokenList extends BaseCommand<typeof TokenList> {
  static override summary = 'list the tokens of the token file';
  static override description =
    'Shows the scopes and limits of each token, and when its secrets expire. The file does not contain the tokens themselves.';
  static override examples = [
    '<%= config.bin %> token list',
    '<%= config.bin %> token list --token-file /etc/infer/tokens.json --json',
  ];
  static override flags = { ...settingFlags('tokenFile') };

  async run(): Promise<TokensJson> {
    const { tokensIn } = await import('../../lib/serve/auth/token-file.js');
    const file = tokenFileOf(this.settings);
    const now = Date.now();
    const tokens = tokensIn(file).map(({ name, scopes, models, limits, secrets }) => ({
      name,
      scopes,
      models: models ?? null,
      limits: limits ?? null,
      secrets: secrets.map(({ sha256, createdAt, expiresAt }) => ({
        digest: sha256.slice(0, 8),
        createdAt,
        expiresAt: expiresAt ?? null,
        expired: expiresAt !== undefined && Date.parse(expiresAt) <= now,
      })),
    }));
    await this.print(tokensView(tokens, this.layout, now));
    return { file, tokens };
  }
}
