import type { JobPlace } from '../../../deployment/place/job-place.js';

/** An unchanged place is sent again after this time: its reason and ETA may have changed. */
const AGAIN_MS = 15_000;

/** What a `PlaceTeller` works with. */
export interface PlaceListener {
  /** One or more round trips; undefined: it cannot be told now. */
  read(ahead: number): Promise<JobPlace | undefined>;
  tell(place: JobPlace): void;
  /** No one listens any longer. */
  readonly destroyed: boolean;
}

/**
 * Reports position, ETA and reason of a job when its position has changed, and every 15 seconds. Only one
 * reading at a time, and only for the latest change.
 */
export class PlaceTeller {
  private seen = -1;
  private told = -1;
  private toldAt = 0;
  private asking = false;

  /** @param now a clock that does not jump, ms */
  constructor(
    private readonly listener: PlaceListener,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** @param ahead jobs that lie before it, as they were seen now */
  see(ahead: number): void {
    this.seen = ahead;
    if (!this.asking) void this.ask();
  }

  private get isDue(): boolean {
    return this.told !== this.seen || this.now() - this.toldAt >= AGAIN_MS;
  }

  private async ask(): Promise<void> {
    const { listener } = this;
    this.asking = true;
    while (this.isDue && !listener.destroyed) {
      this.told = this.seen;
      this.toldAt = this.now();
      const place = await listener.read(this.seen);
      if (place !== undefined) listener.tell(place);
    }
    this.asking = false;
  }
}

/**
 * Reads the place of a job once for all streams that saw it at the same position while the reading is in
 * progress, since all streams of a job see its position at the same time.
 */
export class PlaceReadings {
  private readonly underWay = new Map<string, Promise<JobPlace | undefined>>();

  /** @param read never rejects */
  constructor(private readonly read: (id: string) => Promise<JobPlace | undefined>) {}

  get(id: string, ahead: number): Promise<JobPlace | undefined> {
    const key = `${ahead} ${id}`;
    let reading = this.underWay.get(key);
    if (reading === undefined) {
      reading = this.read(id).finally(() => this.underWay.delete(key));
      this.underWay.set(key, reading);
    }
    return reading;
  }
}
