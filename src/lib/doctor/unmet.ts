/** Thrown by a check whose ground is missing, such as a Redis that does not answer: it is skipped. */
export class Unmet extends Error {
  override readonly name = 'Unmet';
}
