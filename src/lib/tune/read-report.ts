import type { LoadedSettings } from '../config/load.js';
import { auditServers, type NodeAudit, worstOf } from './audit.js';
import { type JobCosts, measureJobs, type Room, roomForJobs } from './bytes-per-job.js';
import { type Keyspace, lookAtKeys } from './keyspace.js';
import { type OpenServer, withServer } from './open-server.js';
import type { Service } from './providers.js';
import type { TuneRole } from './rules.js';
import { SnapshotStore } from './snapshot.js';

/** One server of an audit, with its remaining room. */
export interface NodeReport extends NodeAudit {
  room: Room;
  keyspace: Keyspace | null;
}

/** The JSON of `infer redis-tune --json`; fields are only ever added. */
export interface TuneReport {
  redis: { label: string; source: string; cluster: boolean };
  role: TuneRole;
  provider: { service: Service; name: string; notes: string[] } | null;
  worst: 'ok' | 'warning' | 'critical';
  nodes: NodeReport[];
  /** Null when jobs may not be read or measured. */
  jobs: JobCosts | null;
  /** File of an interrupted change; null when there is none. */
  unfinished: string | null;
}

/** Reads and judges; changes nothing and starts nothing. */
export function readReport(
  loaded: LoadedSettings,
  role: TuneRole,
  service: Service | undefined,
): Promise<TuneReport> {
  return withServer(loaded, role, service, (open) => reportOf(open, loaded, role));
}

async function reportOf(
  { client, servers, facts, provider, target }: OpenServer,
  loaded: LoadedSettings,
  role: TuneRole,
): Promise<TuneReport> {
  const { prefix, stateDir } = loaded.values;
  const [jobs, keyspaces] = await Promise.all([
    facts.queues === undefined ? undefined : measureJobs(client, prefix, facts.queues),
    Promise.all(
      servers.map((server, at) => lookAtKeys(server, prefix, facts.nodes[at]?.info.raw ?? new Map())),
    ),
  ]);
  const audits = auditServers(facts, role);
  const left = new SnapshotStore(stateDir).latest(target.label);
  return {
    redis: { label: facts.label, source: facts.source, cluster: facts.cluster },
    role,
    provider:
      provider === undefined
        ? null
        : { service: provider.service, name: provider.name, notes: provider.notes },
    worst: worstOf(audits),
    nodes: audits.map((audit, at) => ({
      ...audit,
      room: roomForJobs(audit.usedMemory, audit.maxMemory, jobs),
      keyspace: keyspaces[at] ?? null,
    })),
    jobs: jobs ?? null,
    unfinished: left?.state === 'applying' ? left.file : null,
  };
}
