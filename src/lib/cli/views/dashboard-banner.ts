import { plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { facts, type Layout } from '../output/text.js';

export interface DashboardBanner {
  version: string;
  url: string;
  redisLabel: string;
  redisSource: string;
  /** Number of tokens; undefined if none is required. */
  tokens: number | undefined;
  tokenFile: string | undefined;
  control: boolean;
}

/** What a dashboard prints to standard error when it is ready. */
export function dashboardBanner(banner: DashboardBanner, { paint }: Pick<Layout, 'paint'>): string[] {
  const { version, url, redisLabel, redisSource, tokens, tokenFile, control } = banner;
  const own = redisSource === 'embedded' ? " (infer's own)" : '';
  const rows: [string, string][] = [
    ['redis', `${printable(redisLabel)}${own}`],
    [
      'tokens',
      tokens === undefined
        ? 'none required: everyone who can reach this address may look'
        : `${plural(tokens, 'token')} in ${printable(tokenFile ?? '')}`,
    ],
    ['control', control ? 'on, for tokens with the scope control' : 'off (--allow-control)'],
  ];
  return [
    `${paint('bold', 'infer dashboard')} ${paint('dim', `v${version}`)}`,
    ...facts(rows, paint).map((line) => `  ${line}`),
    `${paint('green', 'ready')} ${url}/ ${paint('dim', 'Ctrl-C stops it')}`,
  ];
}
