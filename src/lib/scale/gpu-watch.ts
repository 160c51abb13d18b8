import type { GpuDevice } from '../model/gpu-parse.js';
import type { GpuReport } from '../model/gpus.js';
import { chosenDevices, type GpuChoice } from './slot-places.js';

const LOOK_MS = 10_000;
/** A GPU that a driver does not list once may be back at the next look. */
const MISSES = 2;

/**
 * Keeps knowing the GPUs without ever waiting for them: nvidia-smi is asked in the background, and
 * what it last said counts. A GPU counts as gone when it was missing from two answers in a row.
 */
export class GpuWatch {
  private devices: GpuDevice[];
  private readonly missed = new Map<string, number>();
  private askedAt: number;
  private asking: Promise<void> | undefined;
  private why: string | undefined;

  constructor(
    private readonly ask: () => Promise<GpuReport>,
    private readonly choice: GpuChoice,
    first: GpuReport,
    now: number,
    private readonly everyMs = LOOK_MS,
  ) {
    this.devices = chosenDevices(first.gpus, choice);
    this.askedAt = now;
  }

  /** Devices that are there, as last seen. */
  get present(): readonly GpuDevice[] {
    return this.devices.filter((device) => !this.isGone(device.uuid));
  }

  /** Devices that have disappeared. */
  get gone(): readonly GpuDevice[] {
    return this.devices.filter((device) => this.isGone(device.uuid));
  }

  /** Why the GPUs are not known right now; undefined when they are. */
  get blind(): string | undefined {
    return this.why;
  }

  /** Asks again when the last answer is old; does not wait for the answer. */
  touch(now: number): void {
    if (this.choice === 'none' || this.asking !== undefined || now - this.askedAt < this.everyMs) return;
    this.askedAt = now;
    this.asking = this.ask()
      .then((report) => this.take(report))
      .finally(() => {
        this.asking = undefined;
      });
  }

  /** Waits for a question that is under way. */
  async settled(): Promise<void> {
    await this.asking;
  }

  private isGone(uuid: string): boolean {
    return (this.missed.get(uuid) ?? 0) >= MISSES;
  }

  private take(report: GpuReport): void {
    this.why = report.state === 'ok' ? undefined : (report.reason ?? report.state);
    // A driver that does not answer says nothing of the GPUs.
    if (report.state !== 'ok') return;
    const all = chosenDevices(report.gpus, 'all');
    for (const device of this.devices) {
      const now = all.find((one) => one.uuid === device.uuid);
      this.missed.set(device.uuid, now === undefined ? (this.missed.get(device.uuid) ?? 0) + 1 : 0);
    }
    const fresh = this.devices.map((device) => all.find((one) => one.uuid === device.uuid) ?? device);
    const added = all.filter((one) => !this.devices.some((device) => device.uuid === one.uuid));
    this.devices = this.choice === 'all' ? [...fresh, ...added] : fresh;
  }
}
