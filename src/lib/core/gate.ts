/**
 * Lets a loop sleep until something may have changed. Take the promise of `wait` first, then look
 * at the condition, then await: a change in between is not missed.
 */
export class Gate {
  // One promise for all: a loop that looks often between two changes would else pile them up.
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

  open(): void {
    this.next?.resolve();
    this.next = undefined;
  }
}
