import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';

/** A body whose digest is computed while it is read: rows can be compared without being stored. */
export class HashedBody {
  /** Can be read once. */
  readonly stream: Readable;
  private readonly hash = createHash('sha256');

  constructor(source: Readable) {
    this.stream = Readable.from(this.hashed(source), { objectMode: false });
  }

  /** Digest of what has been read so far, 128 bits. */
  get digest(): string {
    return this.hash.copy().digest('base64url').slice(0, 22);
  }

  /** Reads the rest of the body and returns the digest of all of it. */
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
