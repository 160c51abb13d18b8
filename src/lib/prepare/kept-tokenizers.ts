/** Tokenizers that stay loaded. */
const MOST_KEPT = 3;
/**
 * Characters of tokenizer.json of all that stay loaded. One of 250,000 pieces has 8 million and took 260 MB of heap; three of
 * them ended a process with 512 MB.
 */
const MOST_CHARS = 20_000_000;

interface Kept<Tokenizer> {
  tokenizer: Tokenizer;
  chars: number;
}

/** What a preparing process keeps of tokenizers: those that were used last, as far as its heap allows. */
export class KeptTokenizers<Tokenizer> {
  /** The one that was used last comes last. */
  private readonly kept = new Map<string, Kept<Tokenizer>>();

  get(key: string): Tokenizer | undefined {
    const found = this.kept.get(key);
    if (found === undefined) return undefined;
    this.kept.delete(key);
    this.kept.set(key, found);
    return found.tokenizer;
  }

  /**
   * Opens one and keeps it. Others make room first: while it is opened it takes more than afterwards.
   * @param text content of its tokenizer.json
   */
  async open(key: string, text: string, open: (text: string) => Promise<Tokenizer>): Promise<Tokenizer> {
    const chars = text.length;
    let total = chars;
    for (const one of this.kept.values()) total += one.chars;
    for (const [oldest, one] of this.kept) {
      if (total <= MOST_CHARS && this.kept.size < MOST_KEPT) break;
      this.kept.delete(oldest);
      total -= one.chars;
    }
    const tokenizer = await open(text);
    this.kept.set(key, { tokenizer, chars });
    return tokenizer;
  }
}
