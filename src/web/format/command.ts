const PROGRAM = /^(infer|redis-cli|npm|sudo|sysctl|kill|nvidia-smi)\b/;
const QUOTED = /'[^']*'|"[^"]*"/g;
/** A comma, semicolon, colon or full stop at the end of a word. */
const PUNCTUATION = /[,;:.](\s|$)/;
/** What follows a command that a sentence begins with: `lists those`, `starts one`. */
const SENTENCE = /\s[a-z]+s (the|an?|its?|them|those|that|what|which|why|how|one|all|each|more)\b/;

/** Whether a text is a command to type, and not a sentence that begins with one. */
export function isCommand(text: string): boolean {
  if (!PROGRAM.test(text)) return false;
  const words = text.replace(QUOTED, 'x');
  return !PUNCTUATION.test(words) && !SENTENCE.test(words);
}
