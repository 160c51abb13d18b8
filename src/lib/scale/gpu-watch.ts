import type { GpuDevice } from '../model/gpu-parse.js';
import type { GpuReport } from '../model/gpus.js';
import { chosenDevices, type GpuChoice } from './host-slots.js';

const LOOK_MS = 10_000;
/** A GPU missing from one answer of the driver may be back in the next. */
const MISSES = 2;

/**
 * Tracks the GPUs without ever waiting for them: nvidia-smi runs in the background, and its last answer
 * counts. A GPU counts as lost when it is missing from two answers in a row.
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

  /** Devices present in the last answer. */
  get present(): readonly GpuDevice[] {
    return this.devices.filter((device) => !this.isGone(device.uuid));
  }

  /** Devices that have disappeared. */
  get gone(): readonly GpuDevice[] {
    return this.devices.filter((device) => this.isGone(device.uuid));
  }

  /** Why the GPUs are currently unknown; undefined when they are known. */
  get blind(): string | undefined {
    return this.why;
  }

  /** Asks again when the last answer is old; does not wait for the new one. */
  touch(now: number): void {
    if (this.choice === 'none' || this.asking !== undefined || now - this.askedAt < this.everyMs) return;
    this.askedAt = now;
    this.asking = this.ask()
      .then((report) => this.take(report))
      .finally(() => {
        this.asking = undefined;
      });
  }

  /** Waits for a call in progress. */
  async settled(): Promise<void> {
    await this.asking;
  }

  private isGone(uuid: string): boolean {
    return (this.missed.get(uuid) ?? 0) >= MISSES;
  }

  private take(report: GpuReport): void {
    this.why = report.state === 'ok' ? undefined : (report.reason ?? report.state);
    // A driver that does not answer says nothing about the GPUs.
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
