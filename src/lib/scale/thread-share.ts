/** Flags of `infer worker` whose value begins with how many runners it may have. */
const RUNNERS = /^(?:--concurrency|--autoscale|-c)(?:=|$)/;

/**
 * CPU threads for each runner of a worker.
 * @param cores that are the worker's.
 * @param args of `infer worker`: they may say how many runners there are.
 * @param runners unless the arguments say.
 */
export function threadShare(cores: number, args: readonly string[], runners: number): number {
  const at = args.findLastIndex((arg) => RUNNERS.test(arg));
  const flag = args[at];
  const value = flag?.includes('=') ? flag.slice(flag.indexOf('=') + 1) : args[at + 1];
  const said = flag === undefined ? Number.NaN : Number.parseInt(value ?? '', 10);
  // A number that makes no sense is the worker's to refuse.
  return Math.max(1, Math.floor(cores / (said >= 1 ? said : Math.max(1, runners))));
}
