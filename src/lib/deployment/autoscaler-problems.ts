import { formatDuration } from '../core/units.js';
import type { AutoscalerRecord } from '../queue/autoscalers.js';
import { isAutoscalerSilent } from './judgements.js';
import type { Overview } from './overview.js';
import type { Problem } from './problem.js';

/** What keeps autoscalers from acting. Pure. */
export function autoscalerProblems({ autoscalers, lapsed, at }: Overview): Problem[] {
  const silent = autoscalers.filter((one) => isAutoscalerSilent(one, at));
  return [
    ...silent.map((one) =>
      silence(`of ${one.pool} on ${one.host}`, at - one.decidedAt, one.queues, one.host),
    ),
    ...lapsed.map(({ id, decidedAt }) => silence(id, at - decidedAt, undefined, id.split('/')[0] as string)),
    ...autoscalers
      .filter((one) => !silent.includes(one))
      .flatMap((one) => [...holds(one), ...failedPlaces(one)]),
  ];
}

function silence(which: string, forMs: number, queues: readonly string[] | undefined, host: string): Problem {
  const flags = queues === undefined ? '' : ` -Q ${queues.join(',')}`;
  return {
    code: 'AUTOSCALER_SILENT',
    message: `autoscaler ${which} has been silent for ${formatDuration(forMs)}: it hangs, was killed or cannot reach Redis; its workers keep running`,
    fix: `infer autoscale${flags} on ${host} takes its workers over`,
  };
}

/** For a while after a time without fresh data, nothing is stopped, which is intended. */
function holds({ pool, host, hold, reason }: AutoscalerRecord): Problem[] {
  if (hold === null || hold === 'recovering') return [];
  return [
    {
      code: 'AUTOSCALER_HOLDS',
      message: `autoscaler of ${pool} on ${host} starts and stops nothing: ${reason}`,
      fix: `see why Redis answers late from ${host}: infer doctor redis`,
    },
  ];
}

function failedPlaces({ pool, host, queues, troubles }: AutoscalerRecord): Problem[] {
  return troubles.flatMap(({ slot, state, reason, last }): Problem[] => {
    const where = `${slot} of autoscaler ${pool} on ${host}`;
    if (state === 'failed') {
      return [
        {
          code: 'AUTOSCALER_PLACE_FAILED',
          message: `no worker starts on ${where}: ${reason}${last === undefined ? '' : `, the last: ${last}`}`,
          fix: `fix that and start infer autoscale -Q ${queues.join(',')} on ${host} again: it tries once more`,
        },
      ];
    }
    if (state !== 'gone') return [];
    return [
      {
        code: 'AUTOSCALER_GPU_GONE',
        message: `${where} is gone: ${reason}`,
        fix: `on ${host}: infer doctor gpu, and sudo dmesg | grep -i xid`,
      },
    ];
  });
}
