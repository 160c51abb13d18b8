/** Reads TypeScript as text: enough to find a file's imports, without installing a compiler. */

const STRING = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/;
const TEMPLATE = /`(?:\\.|[^`\\])*`/;
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//;

const STRINGS_FIRST = new RegExp(`(${STRING.source}|${TEMPLATE.source})|${COMMENT.source}`, 'g');

export function withoutComments(text: string): string {
  return text.replace(STRINGS_FIRST, (_, kept: string | undefined) => kept ?? ' ');
}

/** Without comments and plain strings; templates stay, since they contain code. */
export function withoutStrings(text: string): string {
  return withoutComments(text).replace(
    new RegExp(`${STRING.source}|(${TEMPLATE.source})`, 'g'),
    (_, kept) => kept ?? "''",
  );
}

/** What `import … from`, `export … from` and `import '…'` name, types included. */
export function imports(text: string): string[] {
  const statement = /(?:^|[;}\n])\s*(?:import|export)\b(?:[^'"`;=]*?\bfrom)?\s*['"]([^'"]+)['"]/g;
  return captured(withoutComments(text), statement);
}

/** What `import('…')`, `typeof import('…')` and `require('…')` name. */
export function dynamicImports(text: string): string[] {
  return captured(withoutComments(text), /\b(?:import|require(?:\.resolve)?)\(\s*['"`]([^'"`]+)['"`]/g);
}

function captured(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] as string);
}
