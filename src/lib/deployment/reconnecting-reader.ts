import type { LoadedSettings } from '../config/load.js';
import { DeploymentReader } from './deployment-reader.js';

/** A reader that outlives its connection: after a failure the next read connects again. */
export class ReconnectingReader {
  private reader: Promise<DeploymentReader> | undefined;

  constructor(private readonly loaded: LoadedSettings) {}

  async read<T>(work: (reader: DeploymentReader) => Promise<T>): Promise<T> {
    this.reader ??= DeploymentReader.open(this.loaded);
    const opening = this.reader;
    try {
      return await work(await opening);
    } catch (error) {
      this.reader = undefined;
      await opening.then((reader) => reader.close()).catch(() => undefined);
      throw error;
    }
  }

  async close(): Promise<void> {
    const opening = this.reader;
    this.reader = undefined;
    await opening?.then((reader) => reader.close()).catch(() => undefined);
  }
}
