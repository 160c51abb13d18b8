import type { HandlerLine } from '../model/handler-output.js';
import type { Logger } from '../telemetry/logger.js';

/** Copies a line printed by a handler to the worker's log; lines from standard error become warnings. */
export function logHandlerLine({ model, stream, text, leftOut }: HandlerLine, log: Logger): void {
  const fields = { model, handler: stream };
  if (leftOut !== undefined)
    log.warn({ ...fields, lines: leftOut }, 'the handler prints too much: lines left out');
  if (text === '') return;
  if (stream === 'stderr') log.warn(fields, text);
  else log.info(fields, text);
}
