/** Runs work one piece at a time, in the order of requests. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();
  private count = 0;

  /** Runs work when all earlier work has ended, successfully or not; passes on its result or error. */
  take<T>(work: () => T | Promise<T>): Promise<T> {
    this.count += 1;
    const done = this.last.then(work).finally(() => {
      this.count -= 1;
    });
    this.last = done.catch(() => undefined);
    return done;
  }

  /** Nothing is running or waiting: work would begin immediately. */
  get isFree(): boolean {
    return this.count === 0;
  }

  /** Something is running, and nothing waits: work would begin after it. */
  get isNext(): boolean {
    return this.count === 1;
  }
}
