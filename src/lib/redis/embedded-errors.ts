import { InferError } from '../core/errors.js';
import { lastLogLines } from '../core/log-file.js';
import type { EmbeddedPaths } from './embedded-files.js';
import type { Answer } from './probe.js';

export function serverMissing(): InferError {
  return new InferError(
    'REDIS_SERVER_MISSING',
    'infer needs a Redis, and neither redis-server nor valkey-server is installed',
    {
      hint: 'install one (apt-get install redis-server, dnf install valkey, brew install redis), or name a running one with --redis redis://host:6379',
    },
  );
}

export function startBusy(paths: EmbeddedPaths): InferError {
  return new InferError(
    'REDIS_START_BUSY',
    "another command has been starting or stopping infer's Redis for too long",
    {
      hint: `look at \`infer redis status\`; if nothing of infer runs, remove ${paths.lockFile}`,
    },
  );
}

export function startFailed(paths: EmbeddedPaths, reason: string): InferError {
  const lines = lastLogLines(paths.logFile, 5);
  const corrupt = lines.some((line) =>
    /Bad file format|redis-check-aof|valkey-check-aof|Unexpected end of file/i.test(line),
  );
  const log = lines.length === 0 ? '' : `\n${lines.map((line) => `  ${line}`).join('\n')}`;
  return new InferError('REDIS_START_FAILED', `infer's own Redis did not start: ${reason}${log}`, {
    hint: corrupt
      ? `its append-only file is damaged: copy ${paths.dir}/appendonlydir away, then repair it with redis-check-aof --fix`
      : `the whole log is ${paths.logFile}`,
  });
}

export function notAnswering(paths: EmbeddedPaths, pid: number, answer: Answer | undefined): InferError {
  if (answer?.kind === 'error' && answer.text.startsWith('LOADING')) {
    return new InferError('REDIS_LOADING', "infer's own Redis is still reading its data from disk", {
      hint: 'try again in a few seconds; `infer redis status` shows when it is ready',
    });
  }
  return new InferError('REDIS_TIMEOUT', `infer's own Redis runs (pid ${pid}) and does not answer`, {
    hint: `\`infer redis stop\` ends it, and the next command starts it again; its log is ${paths.logFile}`,
  });
}

export function stopFailed(paths: EmbeddedPaths, pid: number, reason: string): InferError {
  return new InferError('REDIS_STOP_FAILED', `infer's own Redis (pid ${pid}) did not stop: ${reason}`, {
    hint: `its log is ${paths.logFile}; \`kill ${pid}\` asks it once more`,
  });
}
