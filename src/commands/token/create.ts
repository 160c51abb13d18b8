import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { durationFlag, SEVERAL, settingFlags, wholeFlag } from '../../lib/cli/flags.js';
import { facts } from '../../lib/cli/output/text.js';
import { tokenFileOf } from '../../lib/cli/token-file.js';
import { AHEAD_MAX_MS } from '../../lib/core/bounds.js';
import { InferError } from '../../lib/core/errors.js';
import { printable } from '../../lib/core/job.js';
import { quoteWord } from '../../lib/core/quote-word.js';
import { SCOPES, type Scope, type TokenLimits } from '../../lib/serve/auth/caller.js';

export interface TokenJson {
  name: string;
  /** The token itself, which is stored in no file. */
  token: string;
  file: string;
  scopes: Scope[];
  expiresAt: string | null;
}

const OVERLAP_MS = 86_400_000;
const COUNT = { min: 1, max: 1_000_000 } as const;

/** A token for callers of `infer serve`. */
export default class TokenCreate extends BaseCommand<typeof TokenCreate> {
  static override summary = 'create a token for callers of infer serve';
  static override description =
    `Prints the token once; the file contains only its SHA-256. Running gateways reload the file within a second.
A job belongs to the name of the token that submitted it. The scope read allows reading these jobs, read:all all jobs.
The scope metrics is for Prometheus and KEDA: it allows only /metrics and /autoscale.
--rotate gives a token a new secret; the old one stays valid for --overlap, so that callers can be updated.`;
  static override examples = [
    '<%= config.bin %> token create web',
    '<%= config.bin %> token create web --token-file /etc/infer/tokens.json --rate 50 --burst 100 --max-jobs 200',
    '<%= config.bin %> token create ops --scope read:all,control --expires 90d',
    '<%= config.bin %> token create prometheus --scope metrics',
    '<%= config.bin %> token create web --rotate --overlap 1h',
  ];
  static override args = {
    name: Args.string({
      required: true,
      description: 'name of the token, such as that of its user or program',
    }),
  };
  static override flags = {
    ...settingFlags('tokenFile'),
    scope: Flags.option({
      ...SEVERAL,
      options: SCOPES,
      description: 'scope of the token; repeat for more [default: submit,read]',
    })(),
    model: Flags.string({
      ...SEVERAL,
      char: 'm',
      helpValue: '<name>',
      description: 'model that it may use; repeat for more [default: all]',
    }),
    rate: Flags.custom<number>({
      helpValue: '<n>',
      description: 'submit requests per second [default: no limit]',
      parse: async (text) => {
        const { checkLimit } = await import('../../lib/serve/auth/token-record.js');
        return checkLimit('rate', Number(text));
      },
    })(),
    burst: wholeFlag({
      ...COUNT,
      description: 'submit requests at once after a pause [default: one second of --rate]',
    }),
    'max-jobs': wholeFlag({ ...COUNT, description: 'maximum number of unfinished jobs [default: no limit]' }),
    'max-waiting': wholeFlag({ ...COUNT, description: 'maximum number of waiting jobs [default: no limit]' }),
    'max-open': wholeFlag({
      ...COUNT,
      description: 'maximum number of open event streams and waits at one gateway [default: 2000]',
    }),
    expires: durationFlag({
      maxMs: AHEAD_MAX_MS,
      description: 'time after which it expires [default: never]',
    }),
    rotate: Flags.boolean({
      exclusive: ['scope', 'model', 'rate', 'burst', 'max-jobs', 'max-waiting', 'max-open'],
      description: 'give an existing token a new secret',
    }),
    overlap: durationFlag({
      maxMs: AHEAD_MAX_MS,
      dependsOn: ['rotate'],
      description: 'how long its older secrets stay valid [default: 1d]',
    }),
  };

  async run(): Promise<TokenJson> {
    const { addToken, rotateToken } = await import('../../lib/serve/auth/token-file.js');
    const file = tokenFileOf(this.settings);
    const { name } = this.args;
    const { scope = ['submit', 'read'], model, expires: expiresMs, overlap = OVERLAP_MS } = this.flags;
    const { token, record } = this.flags.rotate
      ? await rotateToken(file, name, { overlapMs: overlap, expiresMs })
      : await addToken(file, {
          name,
          scopes: [...new Set(scope)],
          models: model,
          limits: this.limits(),
          expiresMs,
        });
    const expiresAt = record.secrets.at(-1)?.expiresAt ?? null;
    await this.show(token, record.scopes, file, expiresAt);
    return { name, token, file, scopes: record.scopes, expiresAt };
  }

  /** In a pipe only the token, for a secret store. */
  private async show(token: string, scopes: readonly Scope[], file: string, expiresAt: string | null) {
    const { tty, paint } = this.layout;
    if (!tty) return this.print(token);
    const rows: [string, string][] = [
      ['token', `${token}  ${paint('dim', '(shown this once)')}`],
      ['scopes', scopes.join(', ')],
      ['file', printable(file)],
      ...(expiresAt === null ? [] : [['expires', expiresAt] as [string, string]]),
    ];
    await this.print(facts(rows, paint));
    this.next(`infer serve --token-file ${quoteWord(file)}`);
  }

  private limits() {
    const { rate, burst, 'max-jobs': jobs, 'max-waiting': waiting, 'max-open': open } = this.flags;
    if (burst !== undefined && rate === undefined) {
      throw new InferError('TOKEN_LIMIT', '--burst has no effect without --rate', {
        hint: '--rate 50 --burst 100',
      });
    }
    const limits: TokenLimits = { rate, burst, jobs, waiting, open };
    const isGiven = Object.values(limits).some((value) => value !== undefined);
    // JSON leaves out what is undefined.
    return isGiven ? limits : undefined;
  }
}
