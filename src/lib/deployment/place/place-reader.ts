import { toBullPriority } from '../../core/job.js';
import {
  filedBelow,
  type QueuePulse,
  readPulse,
  readStanding,
  type Standing,
} from '../../queue/read/queue-pulse.js';
import { listWorkers } from '../../queue/registry.js';
import { listStarting } from '../../queue/starting.js';
import { PRIORITY_STEP } from '../../queue/wire.js';
import { readMemory } from '../../redis/info.js';
import { serverNow } from '../../redis/server-clock.js';
import type { RedisClient } from '../../redis/types.js';
import type { JobPlace } from './job-place.js';
import { judgePlace, type Waiting } from './judge-place.js';
import { ableWorkers, lanesBefore, type Scene, type Surroundings, sceneOf } from './scene.js';
import { Shared } from './shared.js';

/** Maximum age of readings that all jobs of a queue share, ms. */
const FRESH_MS = 1000;

/** Position, ETA and reason of a job, and when they were read. */
export interface PlaceRead {
  place: JobPlace;
  /** By Redis's clock, ms since the epoch. */
  at: number;
  submittedAt: number;
}

/**
 * Reads positions, ETAs and reasons. Each job costs one round trip: workers, rates and counts are shared, and
 * are read at most once a second, however many callers ask. All commands are read-only, and none lists jobs.
 */
export class PlaceReader {
  private readonly around: Shared<Surroundings>;
  private readonly pulses: Shared<QueuePulse>;
  /** By route, as long as the pulse is in use. */
  private readonly scenes = new WeakMap<
    QueuePulse,
    Map<string, { around: Surroundings; scene: Promise<Scene> }>
  >();

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
    now: () => number = () => performance.now(),
  ) {
    this.around = new Shared(FRESH_MS, () => this.readAround(), now);
    this.pulses = new Shared(
      FRESH_MS,
      async (queue) => readPulse(client, prefix, queue, await serverNow(client)),
      now,
    );
  }

  /** Null when the job has started or ended; undefined when it is not in this queue. */
  async read(queue: string, id: string): Promise<PlaceRead | null | undefined> {
    const [job, pulse, around] = await Promise.all([
      readStanding(this.client, this.prefix, queue, id),
      this.pulses.get(queue),
      this.around.get(''),
    ]);
    if (!job) return job;
    const scene = await this.sceneOf(job.route, pulse, around);
    const [passed, at] = await Promise.all([this.passedBy(job, scene), serverNow(this.client)]);
    return { place: judgePlace({ job, passed }, scene, at), at, submittedAt: job.submittedAt };
  }

  /** What all jobs of a route share, computed once per reading for all callers. */
  private async sceneOf(route: string, pulse: QueuePulse, around: Surroundings): Promise<Scene> {
    const scenes =
      this.scenes.get(pulse) ?? new Map<string, { around: Surroundings; scene: Promise<Scene> }>();
    this.scenes.set(pulse, scenes);
    const known = scenes.get(route);
    if (known?.around === around) return known.scene;
    const able = ableWorkers(around.workers, pulse.name, route);
    const lanes = Promise.all(lanesBefore(pulse.name, able).map((lane) => this.pulses.get(lane)));
    const scene = lanes.then((pulses) => sceneOf(route, pulse, around, pulses));
    scenes.set(route, { around, scene });
    scene.catch(() => scenes.delete(route));
    return scene;
  }

  /** Jobs before it that no worker takes: one more round trip, only in queues with such jobs. */
  private async passedBy(job: Standing, { unserved }: Scene): Promise<Waiting['passed']> {
    if (unserved.length === 0) return { all: 0, moreUrgent: 0 };
    // One that is delayed would go behind all of its priority.
    const score = job.score ?? (toBullPriority(job.priority) + 1) * PRIORITY_STEP;
    const below = (most: number) => filedBelow(this.client, this.prefix, job.queue, unserved, most);
    const ownPriority = toBullPriority(job.priority) * PRIORITY_STEP;
    const [all, moreUrgent] = await Promise.all([below(score), below(Math.min(score, ownPriority))]);
    return { all, moreUrgent };
  }

  private async readAround(): Promise<Surroundings> {
    const at = await serverNow(this.client);
    const [workers, starting, memory] = await Promise.all([
      listWorkers(this.client, this.prefix),
      listStarting(this.client, this.prefix, at),
      readMemory(this.client),
    ]);
    return { at, workers, starting, memory };
  }
}
