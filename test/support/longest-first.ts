import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders of test/ by the duration of their files; files of an unknown folder come last. */
const SLOWEST_FIRST = ['bench', 'soak', 'chaos', 'fuzz', 'cli', 'integration', 'contract', 'unit'];

/**
 * Starts the files of slow folders first, so that a run does not end with one long file alone. Within a folder Vitest's
 * own order applies: longest first if known, otherwise largest first.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId, project }: TestSpecification): number => {
      const [, folder = ''] = relative(project.config.root, moduleId).split(/[\\/]/);
      const at = SLOWEST_FIRST.indexOf(folder);
      return at === -1 ? SLOWEST_FIRST.length : at;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
