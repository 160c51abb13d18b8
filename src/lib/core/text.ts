/** Text of a file without the byte order mark that some editors put in front. */
export function withoutMark(text: string): string {
  return text.replace(/^\uFEFF/, '');
}
