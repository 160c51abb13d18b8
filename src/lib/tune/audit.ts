import { judgeHealth } from './health.js';
import { type Finding, judgeSettings, type Level, type TuneRole } from './rules.js';
import type { NodeFacts, ServerFacts } from './server-facts.js';

/** The audit of one server. */
export interface NodeAudit {
  label: string;
  version: string;
  role: NodeFacts['info']['role'];
  usedMemory: number;
  /** 0 = no limit. */
  maxMemory: number;
  /** Why CONFIG was refused; null when it works. */
  refused: string | null;
  findings: Finding[];
}

const ORDER: readonly Level[] = ['critical', 'warning', 'unknown', 'advice', 'ok'];

/** Judges every server; the worst comes first. Pure. */
export function auditServers(facts: ServerFacts, role: TuneRole): NodeAudit[] {
  return facts.nodes.map((node) => ({
    label: node.label,
    version: node.info.version,
    role: node.info.role,
    usedMemory: node.info.usedMemory,
    maxMemory: node.info.maxMemory,
    refused: node.refusal?.text ?? null,
    findings: [...judgeHealth(node, role), ...judgeSettings(node, role, facts.workers)].sort(
      (a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level),
    ),
  }));
}

/** The worst of an audit, for its exit code; advice and unknown settings do not count. */
export function worstOf(audits: readonly NodeAudit[]): 'ok' | 'warning' | 'critical' {
  const levels = new Set(audits.flatMap(({ findings }) => findings.map(({ level }) => level)));
  return levels.has('critical') ? 'critical' : levels.has('warning') ? 'warning' : 'ok';
}
