import type { QueueConsumer } from '../queue/broker/consumer-port.js';
import { type DataLayout, LAYOUTS, marksOf } from '../queue/layout.js';
import { routeOf, routesTo } from '../queue/routes.js';
import type { TakenSpec } from '../queue/types.js';
import type { RunnerPool } from './runner-pool.js';
import type { ServedModels } from './served-models.js';

/**
 * Which jobs a worker takes: those of models that at least one of its runners can run. Others wait for
 * another worker.
 */
export class ServedRoutes {
  private routes: ReadonlySet<string> = new Set();

  constructor(
    private readonly consumers: readonly QueueConsumer[],
    private readonly pool: Pick<RunnerPool, 'mayRun'>,
    private readonly models: ServedModels,
    private readonly layouts: readonly DataLayout[] = LAYOUTS,
  ) {}

  /** Updates its queues after models were added or removed, or a runner could not reload one. */
  refresh(): void {
    const able = this.models.all.filter(({ session }) => this.pool.mayRun(session));
    this.routes = new Set(
      able.flatMap(({ loaded: { signature } }) =>
        routesTo(signature.name, signature.version, marksOf(this.layouts)),
      ),
    );
    for (const consumer of this.consumers) consumer.serve([...this.routes]);
  }

  /** Whether jobs of its model and version are currently taken. */
  take({ model, version, layout }: TakenSpec): boolean {
    return model !== undefined && this.routes.has(routeOf({ model, version, layout }));
  }
}
