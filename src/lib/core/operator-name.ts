import { InferError } from './errors.js';

/** Maximum length of an operator's name. */
const MOST = 128;
/** Text without control characters, line separators and lone surrogates. */
const PATTERN = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+$/u;

export const OPERATOR_RULE = `1 to ${MOST} characters, without control characters`;

/** The name without surrounding spaces; undefined if it is not valid as an operator in the audit log. */
export function operatorName(name: unknown): string | undefined {
  if (typeof name !== 'string') return undefined;
  const text = name.trim();
  return text.length <= MOST && PATTERN.test(text) ? text : undefined;
}

/** @throws InferError OPERATOR_NAME (exit 2); the message does not repeat the value. */
export function checkOperatorName(name: unknown): string {
  const text = operatorName(name);
  if (text !== undefined) return text;
  const given =
    typeof name !== 'string'
      ? `a name is text, not a value of type ${name === null ? 'null' : typeof name}`
      : name.trim() === ''
        ? 'the name is empty'
        : `the name has ${name.length} characters, or control characters`;
  throw new InferError('OPERATOR_NAME', `as: ${given}; use ${OPERATOR_RULE}`, {
    hint: "give the name of a person or program, such as { as: 'ada' }",
  });
}
