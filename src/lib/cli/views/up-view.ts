import { plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import type { TakenDown } from '../../up/take-down.js';
import { REDIS, type UpEvent, type UpReady, type UpWorker } from '../../up/types.js';
import { facts, type Layout, type Paint } from '../output/text.js';

export interface UpBanner {
  version: string;
  ready: UpReady;
  drainTimeoutMs: number;
}

/** What `infer up` prints to standard error when everything runs: addresses, commands to try, what is missing. */
export function upBanner({ version, ready }: UpBanner, { paint }: Pick<Layout, 'paint'>): string[] {
  const { url, dashboard, redis, workers, models, missing, logs, tokens } = ready;
  const own = redis.source === 'embedded' ? ` (infer's own${redis.started ? ', started now' : ''})` : '';
  const rows: [string, string][] = [
    [REDIS, `${printable(redis.label)}${own}`],
    ['gateway', url],
    ...(dashboard === null ? [] : [['dashboard', dashboard] as [string, string]]),
    ['docs', `${url}/docs`],
    ['tokens', tokens === null ? 'none required on this machine' : plural(tokens, 'token')],
    ...workers.map((worker, at): [string, string] => [at === 0 ? 'workers' : '', workerText(worker)]),
    ['logs', `${printable(logs.gateway)}; infer workers logs NAME`],
  ];
  return [
    `${paint('bold', 'infer up')} ${paint('dim', `v${version}`)}`,
    ...facts(rows, paint).map((line) => `  ${line}`),
    ...models.map(({ curl }) => `  ${paint('cyan', printable(curl))}`),
    ...missing.flatMap(({ message, fix }) => problemLines(message, fix, paint)),
  ];
}

/** The last line of the banner in the foreground, and in the background. */
export function upReadyLine({ ready, drainTimeoutMs }: UpBanner, detached: boolean, paint: Paint): string {
  const end = detached
    ? 'infer down stops it'
    : `Ctrl-C finishes requests and jobs (${formatDuration(drainTimeoutMs)} each at most); a second one ends at once`;
  return `${paint('green', 'ready')} ${ready.url} ${paint('dim', end)}`;
}

function workerText({ name, device, gpu, queues }: UpWorker): string {
  const where = gpu === null ? (device ?? 'no model loaded') : `${device ?? 'no model loaded'} on GPU ${gpu}`;
  return `${printable(name)}  ${printable(where)}  queues ${queues.map(printable).join(', ')}`;
}

function problemLines(message: string, fix: string, paint: Paint): string[] {
  const attempt = fix === '' ? [] : [`  ${paint('dim', 'Try:')} ${paint('cyan', printable(fix))}`];
  return [`${paint('yellow', '!')} ${printable(message)}`, ...attempt];
}

/** A part that has started, before everything is ready. */
export function startedPart(part: string, detail: string, paint: Paint): string {
  return `${paint('green', '✓')} ${printable(part)} ${paint('dim', printable(detail))}`;
}

/** The lines of an event: what happened, and for a process the end of its log. @param at local time is shown */
export function eventLines(event: UpEvent, at: Date, paint: Paint): string[] {
  const lines = textOf(event, paint);
  const [first, ...rest] = lines;
  if (first === undefined) return [];
  return [`${paint('dim', at.toTimeString().slice(0, 8))} ${first}`, ...rest.map((line) => `    ${line}`)];
}

function textOf(event: UpEvent, paint: Paint): string[] {
  const good = (text: string) => `${paint('green', '✓')} ${text}`;
  const alarm = (text: string) => `${paint('yellow', '!')} ${text}`;
  const bad = (text: string) => `${paint('red', '✗')} ${text}`;
  switch (event.event) {
    case 'ready':
      return [];
    case 'started': {
      const pid = event.pid === null ? '' : ` (pid ${event.pid})`;
      return [good(`${printable(event.part)} runs${pid}: ${printable(event.detail)}`)];
    }
    case 'ended':
      return [
        bad(
          `${printable(event.part)} ended: ${printable(event.reason)}; it is started again in ${formatDuration(event.retryMs)}`,
        ),
        ...event.lines.map(printable),
      ];
    case 'lost':
      return [bad(`${event.part} does not answer: ${printable(event.reason)}`)];
    case 'back':
      return [good(`${event.part} answers again, after ${formatDuration(event.downMs)}`)];
    case 'deployment':
      return [event.alarm ? alarm(printable(event.text)) : printable(event.text)];
    case 'problem': {
      const [first = '', ...rest] = problemLines(event.message, event.fix, paint);
      return [first, ...rest.map((line) => line.trimStart())];
    }
    case 'solved':
      return [good(`no longer: ${printable(event.message)}`)];
    case 'stopping':
      return ['stopping: the gateway accepts no new requests; a second Ctrl-C ends at once'];
    case 'stopped': {
      const part = printable(event.part);
      return [event.killed ? alarm(`${part} did not stop in time and was killed`) : good(`${part} stopped`)];
    }
  }
}

/** Why Redis is left running, and how to stop it. */
export const REDIS_STAYS =
  'Redis keeps running, with waiting jobs and results: infer redis stop ends it and keeps its data';

/** What `infer down` has stopped. */
export function downLines({ pid, outcome, workers }: TakenDown, paint: Paint): string[] {
  const sign = (killed: boolean) => (killed ? paint('yellow', '!') : paint('green', '✓'));
  const how = (killed: boolean) => (killed ? 'did not stop in time and was killed' : 'stopped');
  const left = workers.map(({ name, outcome: end }) => {
    const killed = end === 'killed';
    return `${sign(killed)} worker ${printable(name)} ${how(killed)}`;
  });
  if (outcome === 'not running') {
    return left.length === 0 ? ['infer up does not run on this host'] : left;
  }
  const killed = outcome === 'killed';
  return [...left, `${sign(killed)} infer up ${how(killed)} (pid ${pid})`];
}
