/**
 * The common part of the programs that test a whole installation (chaos, soak, fuzz): Ctrl-C and SIGTERM end them with the usual codes, and
 * wrong arguments with 2 and the usage. Otherwise the exit code is that of `run`.
 */
export async function runHarness<Values>(
  usage: string,
  parse: () => Values,
  run: (values: Values, print: (line: string) => void) => Promise<number>,
): Promise<number> {
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
  let values: Values;
  try {
    values = parse();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${usage}`);
    return 2;
  }
  return run(values, (line) => console.log(line));
}
