const MOST = 10_000;

/** Queues of the ids this client met lately; bounded, as an API server submits without end. */
export class Places {
  private readonly queues = new Map<string, string>();

  get(id: string): string | undefined {
    return this.queues.get(id);
  }

  set(id: string, queue: string): void {
    this.queues.delete(id);
    this.queues.set(id, queue);
    if (this.queues.size > MOST) this.queues.delete(this.queues.keys().next().value as string);
  }
}
