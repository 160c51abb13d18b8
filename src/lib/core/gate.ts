/**
 * Lets a loop sleep until something may have changed. Take the promise of `wait` first, then look
 * at the condition, then await: a change in between is not missed.
 */
export class Gate {
  private waiters: (() => void)[] = [];

  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.waiters.push(resolve);
    });
  }

  open(): void {
    for (const wake of this.waiters.splice(0)) wake();
  }
}
