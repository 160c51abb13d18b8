import type { Logger } from '../telemetry/logger.js';

/**
 * For a server: an unhandled rejection belongs to one request. By default it ends the process, and with it
 * the requests of all other callers. It is a bug, so it is logged as an error.
 * @param source the process, except in tests
 */
export function outliveRejections(log: Pick<Logger, 'error'>, source: NodeJS.EventEmitter = process): void {
  source.on('unhandledRejection', (err: unknown) => log.error({ err }, 'a rejection was not handled'));
}
