/** Thrown by a check that cannot run, for example because Redis does not answer: it is skipped. */
export class Unmet extends Error {
  override readonly name = 'Unmet';
}
