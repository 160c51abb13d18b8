import { pino } from 'pino';
import type { Logger } from '../../src/lib/telemetry/logger.js';

/** A logger without output. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' }, { write: () => undefined });
}
