import type { Sandbox } from './cli.js';

/** The part of `infer inspect --json` that tests look at. */
export interface Overview {
  redis: Record<string, unknown>;
  queues: QueueRow[];
  workers: WorkerRow[];
  problems: { code: string; message: string; fix: string }[];
}

export interface QueueRow {
  name: string;
  waiting: number;
  active: number;
  delayed: number;
  failed: number;
  completed: number;
  oldestMs: number | null;
  byPriority: number[];
}

export interface WorkerRow {
  name: string;
  pid: number;
  device: string;
  queues: string[];
  models: { name: string; version: number }[];
  state: string;
  active: { id: string; model: string; sinceMs: number }[];
}

export async function inspect(infer: Sandbox): Promise<Overview> {
  return (await infer.ask(['inspect', '--json'])).json<Overview>();
}

/** One queue's figures; zeros when nothing was ever sent to it. */
export async function inspectQueue(infer: Sandbox, name: string): Promise<Partial<QueueRow>> {
  const { queues } = await inspect(infer);
  return queues.find((queue) => queue.name === name) ?? { waiting: 0, active: 0, delayed: 0, failed: 0 };
}
