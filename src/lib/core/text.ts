/** The text of a file without the byte order mark that some editors add. */
export function withoutMark(text: string): string {
  return text.replace(/^\uFEFF/, '');
}
