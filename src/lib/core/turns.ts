/** Work that is done one piece at a time, in the order in which it was asked for. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();
  private count = 0;

  /** Does work when all that was asked for before has ended, well or not; answers and throws what it does. */
  take<T>(work: () => T | Promise<T>): Promise<T> {
    this.count += 1;
    const done = this.last.then(work).finally(() => {
      this.count -= 1;
    });
    this.last = done.catch(() => undefined);
    return done;
  }

  /** Nothing is under way or waits: work would begin at once. */
  get isFree(): boolean {
    return this.count === 0;
  }
}
