import path from 'node:path';
import type { SourceFile } from './house.js';
import { withoutComments, withoutStrings } from './source.js';

/** What changes jobs, queues, workers, servers or the audit log, by the file that exports it. */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  'src/lib/queue/audit.ts': ['writeAudit'],
  'src/lib/queue/broker/control.ts': ['askWorkers'],
  'src/lib/queue/broker/forget.ts': ['forgetGroup', 'forgetJobs'],
  'src/lib/queue/broker/move.ts': ['Mover'],
  'src/lib/queue/broker/producer.ts': ['Producer'],
  'src/lib/queue/broker/purge.ts': ['purge'],
  'src/lib/queue/broker/repair.ts': ['repair'],
  'src/lib/queue/broker/set-priority.ts': ['setPriority', 'setGroupPriority'],
  'src/lib/queue/broker/steer-jobs.ts': ['JobSteering'],
  'src/lib/scale/restart-detached.ts': ['restartDetached'],
  'src/lib/scale/stop-workers.ts': ['stopWorkers'],
  'src/lib/tune/acl-user.ts': ['createUser', 'saveUsers'],
  'src/lib/tune/apply.ts': ['applyPlans'],
  'src/lib/tune/persist.ts': ['persist'],
  'src/lib/tune/rollback.ts': ['rollBack'],
};

/** Methods of the client and the producer that change state; matched by name, since types are not analysed. */
const STEERING = /\.(cancel|cancelAll|cancelGroup|retry|retryAll|retryGroup|retryFailed|setPaused)\(/;

/** Files that are allowed to, and why. */
const ALLOWED: Readonly<Record<string, string>> = {
  'src/lib/operations/': 'each operation is performed with its entry in the audit log',
  'src/lib/queue/': 'the functions themselves',
  'src/lib/client/': 'the submitting side, which keeps entries by itself',
  'src/lib/batch/': 'its retries are of runs',
  'src/lib/worker/': 'the same',
  'src/lib/http-client/': 'asks a gateway, which keeps the entries',
  'src/lib/bench/client-target.ts': 'jobs and queues of its own, which it measures',
  'src/lib/serve/gateway/cancel-left.ts':
    'cancels what its own caller no longer waits for; as in client/, that leaves no entry',
  'src/lib/tune/': 'the functions themselves',
  'src/lib/operations/change-settings.ts': 'hands them to operations, as changes of the server',
  'src/lib/operations/create-user.ts': 'the same',
  'src/commands/workers/stop.ts': 'hands it to `performOnHost`, which writes the entry',
  'src/commands/workers/restart.ts': 'the same',
  'src/lib/up/take-down.ts': 'the same, from infer down',
  'src/lib/up/worker-crew.ts': 'ends what an infer up that was killed has left, before it starts its own',
};

/** Every change of a deployment that bypasses `operations/`, as "path: what is wrong". */
export function unauditedChanges(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path: file }) => file.startsWith('src/'))
    .filter(({ path: file }) => !Object.keys(ALLOWED).some((allowed) => file.startsWith(allowed)))
    .flatMap((file) =>
      [...importedChanges(file), ...calledChanges(file)].map((what) => `${file.path}: ${what}`),
    );
}

function importedChanges({ path: file, text }: SourceFile): string[] {
  const statement = /(?:import|const|export)\s*\{([^}]*)\}\s*(?:from|=\s*await import\()\s*['"]([^'"]+)['"]/g;
  return [...withoutComments(text).matchAll(statement)].flatMap(([, names = '', specifier = '']) => {
    const target = path.posix.join(path.posix.dirname(file), specifier).replace(/\.js$/, '.ts');
    const changes = CHANGES[target] ?? [];
    const imported = names.split(',').map((name) => name.trim().split(/\s|:/)[0] as string);
    return imported
      .filter((name) => changes.includes(name))
      .map((name) => `${name} of ${target} changes a deployment: call an operation`);
  });
}

function calledChanges({ text }: SourceFile): string[] {
  const method = STEERING.exec(withoutStrings(text))?.[1];
  return method === undefined ? [] : [`.${method}() changes a deployment: call an operation`];
}
