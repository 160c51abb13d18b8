import { InferError } from './errors.js';

/** Most characters of an operator's name. */
const MOST = 128;
/** Text without control characters, line separators and halves of surrogate pairs. */
const PATTERN = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+$/u;

export const OPERATOR_RULE = `1 to ${MOST} characters, without control characters`;

/** The name without surrounding spaces; undefined unless it can be that of an operator in the audit log. */
export function operatorName(name: unknown): string | undefined {
  if (typeof name !== 'string') return undefined;
  const text = name.trim();
  return text.length <= MOST && PATTERN.test(text) ? text : undefined;
}

/** @throws InferError OPERATOR_NAME (exit 2), without repeating what was given. */
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
