import { plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatBytes, formatDuration } from '../../core/units.js';
import { DASHBOARD_PATH } from '../../serve/dashboard/options.js';
import { curlLine, type ShownModel } from '../../serve/gateway/start-lines.js';
import { facts, type Layout } from '../output/text.js';

export interface ServeBanner {
  version: string;
  url: string;
  redisLabel: string;
  redisSource: string;
  /** Number of tokens; undefined if none is required. */
  tokens: number | undefined;
  tokenFile: string | undefined;
  maxBody: number;
  maxWaitMs: number;
  maxWaiting: number | undefined;
  drainTimeoutMs: number;
  control: boolean;
  /** Whether it serves the dashboard. */
  dashboard: boolean;
  models: readonly ShownModel[];
}

/**
 * What a gateway prints to standard error when it is ready: its address, and a `curl` line for each model.
 */
export function serveBanner(banner: ServeBanner, { paint }: Pick<Layout, 'paint'>): string[] {
  const own = banner.redisSource === 'embedded' ? " (infer's own)" : '';
  const rows: [string, string][] = [
    ['redis', `${printable(banner.redisLabel)}${own}`],
    ['tokens', tokensText(banner)],
    ['limits', limitsText(banner)],
    ['control', banner.control ? 'on: callers can control queues and workers' : 'off (--allow-control)'],
    ['docs', `${banner.url}/docs`],
    ...(banner.dashboard ? [['dashboard', `${banner.url}${DASHBOARD_PATH}/`] as [string, string]] : []),
  ];
  return [
    `${paint('bold', 'infer serve')} ${paint('dim', `v${banner.version}`)}`,
    ...facts(rows, paint).map((line) => `  ${line}`),
    ...modelLines(banner, paint),
    `${paint('green', 'ready')} ${banner.url} ${paint('dim', `Ctrl-C answers open requests (${formatDuration(banner.drainTimeoutMs)} at most); a second one exits now`)}`,
  ];
}

/** Printed after the first signal. @param underWay open requests */
export function drainingServer(underWay: number, drainTimeoutMs: number): string {
  if (underWay === 0) return 'stopping: there are no open requests';
  return `stopping: finishing ${plural(underWay, 'request')}, ${formatDuration(drainTimeoutMs)} at most; a second Ctrl-C exits now`;
}

function tokensText({ tokens, tokenFile }: ServeBanner): string {
  if (tokens === undefined) return 'none required: everyone who can reach this address may do everything';
  return `${plural(tokens, 'token')} in ${printable(tokenFile ?? '')}`;
}

function limitsText({ maxBody, maxWaitMs, maxWaiting }: ServeBanner): string {
  const waiting = maxWaiting === undefined ? '' : `, ${plural(maxWaiting, 'job')} waiting in a queue`;
  return `bodies of ${formatBytes(maxBody)}, waits of ${formatDuration(maxWaitMs)}${waiting}`;
}

function modelLines({ models, url, tokens }: ServeBanner, paint: Layout['paint']): string[] {
  if (models.length === 0) return [];
  const lines = models.map((model) => curlLine(model, url, tokens !== undefined));
  const unserved = models.some(({ served }) => !served);
  return [
    ...lines.map((line) => `  ${paint('cyan', printable(line))}`),
    ...(unserved ? [`${paint('yellow', '!')} no worker serves these models yet: infer worker`] : []),
  ];
}
