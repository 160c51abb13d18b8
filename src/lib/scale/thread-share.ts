/** Flags of `infer worker` whose value begins with the number of runners. */
const RUNNERS = /^(?:--concurrency|--autoscale|-c)(?:=|$)/;

/**
 * CPU threads for each runner of a worker.
 * @param cores number available to the worker.
 * @param args of `infer worker`: may contain the number of runners.
 * @param runners used if the arguments do not say.
 */
export function threadShare(cores: number, args: readonly string[], runners: number): number {
  const at = args.findLastIndex((arg) => RUNNERS.test(arg));
  const flag = args[at];
  const value = flag?.includes('=') ? flag.slice(flag.indexOf('=') + 1) : args[at + 1];
  const said = flag === undefined ? Number.NaN : Number.parseInt(value ?? '', 10);
  // An invalid number is for the worker to reject.
  return Math.max(1, Math.floor(cores / (said >= 1 ? said : Math.max(1, runners))));
}
