import { messageOf } from '../core/errors.js';
import { type ProgramOptions, runProgram } from '../core/program.js';

/** Whether the system's loader can load a library, and its message if not. */
export interface LibraryLook {
  library: string;
  /** Undefined when it loads. */
  problem?: string;
}

/**
 * Asks the loader itself, in a separate process: only the loader knows its cache, LD_LIBRARY_PATH and the
 * library's dependencies. CUDA libraries loaded here would stay in this process.
 */
const TRY = `
const looks = process.argv.slice(1).map((library) => {
  try {
    process.dlopen({ exports: {} }, library);
  } catch (error) {
    // Node finds out that it is not an addon only after loading it.
    if (!/did not self-register/.test(error.message)) return { library, problem: error.message };
  }
  return { library };
});
process.stdout.write(JSON.stringify(looks));`;

/** Tries libraries by name (searched for) or path; undefined when the loader gave no answer. */
export async function tryLibraries(
  libraries: readonly string[],
  options: ProgramOptions,
): Promise<LibraryLook[] | undefined> {
  const end = await runProgram(process.execPath, ['-e', TRY, ...libraries], options);
  if (end.kind !== 'ended' || end.code !== 0) return undefined;
  try {
    return JSON.parse(end.stdout) as LibraryLook[];
  } catch (error) {
    throw new Error(`the loader's answer is not JSON: ${messageOf(error)}`);
  }
}

/** What the loader's message means: the file is missing, or it exists but cannot be used. */
export function explainLoad({ library, problem = '' }: LibraryLook): string {
  const lacking = /^([^\s:]+): cannot open shared object file/.exec(problem)?.[1];
  if (lacking === library) return `${library} is not found`;
  if (lacking !== undefined) return `${library} needs ${lacking}, which is not found`;
  const reason = /: ((?:invalid ELF header|file too short|wrong ELF class)\S*(?: \S+)*)$/.exec(problem)?.[1];
  return `${library} is there but cannot be loaded: ${reason ?? problem.split('\n', 1)[0] ?? ''}`;
}
