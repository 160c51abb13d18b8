import type { LoadedSettings } from '../../config/load.js';
import { Look } from './look.js';

/** A look that outlives its connection: after a failure the next read connects again. */
export class SteadyLook {
  private look: Promise<Look> | undefined;

  constructor(private readonly loaded: LoadedSettings) {}

  async read<T>(work: (look: Look) => Promise<T>): Promise<T> {
    this.look ??= Look.open(this.loaded);
    const opening = this.look;
    try {
      return await work(await opening);
    } catch (error) {
      this.look = undefined;
      await opening.then((look) => look.close()).catch(() => undefined);
      throw error;
    }
  }

  async close(): Promise<void> {
    const opening = this.look;
    this.look = undefined;
    await opening?.then((look) => look.close()).catch(() => undefined);
  }
}
