import { type FileHandle, open } from 'node:fs/promises';

/** A file that is read at any place. */
export class RandomFile {
  private constructor(
    private readonly handle: FileHandle,
    readonly byteLength: number,
  ) {}

  static async open(path: string): Promise<RandomFile> {
    const handle = await open(path, 'r');
    return new RandomFile(handle, (await handle.stat()).size);
  }

  /** Bytes from `start` to before `end`, or to the end of the file. */
  async bytes(start: number, end: number): Promise<Uint8Array> {
    const size = Math.max(0, Math.min(end, this.byteLength) - start);
    const bytes = new Uint8Array(size);
    let have = 0;
    while (have < size) {
      const { bytesRead } = await this.handle.read(bytes, have, size - have, start + have);
      if (bytesRead === 0) break;
      have += bytesRead;
    }
    return have === size ? bytes : bytes.subarray(0, have);
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}
