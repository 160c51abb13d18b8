import { InferError } from '../../core/errors.js';
import { printable } from '../../core/job.js';

/** Flags of `infer serve` that `infer up` sets itself, or has too. */
const OWN = [
  '--host',
  '--port',
  '--models',
  '--token-file',
  '--log-level',
  '--drain-timeout',
  '--redis',
  '--prefix',
  '--allow-control',
  '--dashboard',
  '--json',
];

/**
 * Refuses flags after `--` that contradict those of `infer up`: the last of two counts.
 * @throws InferError USAGE (exit 2)
 */
export function checkGatewayArgs(args: readonly string[]): void {
  const flag = args.map((arg) => arg.split('=', 1)[0] as string).find((name) => OWN.includes(name));
  if (flag === undefined) return;
  throw new InferError('USAGE', `${flag} cannot be given after --: infer up sets it`, {
    hint: flag === '--json' ? 'leave --json out' : `say it before the --: infer up ${flag} …`,
  });
}

/** @throws InferError USAGE (exit 2) if there are words after the models. */
export function checkNoWords(words: readonly string[]): void {
  const [first] = words;
  if (first === undefined) return;
  throw new InferError('USAGE', `unexpected argument: ${printable(first)}`, {
    hint: 'infer up takes one path of models, and flags; see infer up --help',
  });
}
