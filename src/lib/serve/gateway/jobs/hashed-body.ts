import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';

/** A body that is digested on its way, so that rows need not be held to be told from others. */
export class HashedBody {
  /** To be read once. */
  readonly stream: Readable;
  private readonly hash = createHash('sha256');

  constructor(source: Readable) {
    this.stream = Readable.from(this.hashed(source), { objectMode: false });
  }

  /** Of what has been read so far; 128 bits. */
  get digest(): string {
    return this.hash.copy().digest('base64url').slice(0, 22);
  }

  /** Reads what is left, and answers the digest of all. */
  async rest(): Promise<string> {
    for await (const _ of this.stream);
    return this.digest;
  }

  private async *hashed(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of source) {
      this.hash.update(piece);
      yield piece;
    }
  }
}
