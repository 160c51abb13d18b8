/**
 * Lets a loop sleep until something may have changed. Call `wait` first, then check the condition, then await
 * the promise: a change in between is not missed.
 */
export class WakeUp {
  // One promise for all: otherwise a loop that checks often between two changes would accumulate them.
  private next: { promise: Promise<void>; resolve: () => void } | undefined;

  wait(): Promise<void> {
    if (this.next === undefined) {
      let resolve: () => void = () => undefined;
      const promise = new Promise<void>((done) => {
        resolve = done;
      });
      this.next = { promise, resolve };
    }
    return this.next.promise;
  }

  wake(): void {
    this.next?.resolve();
    this.next = undefined;
  }
}
