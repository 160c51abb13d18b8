import { type Layout, plain } from '../../src/lib/cli/output/text.js';

/** How views draw in a pipe. */
export const PIPED: Layout = { tty: false, width: Number.POSITIVE_INFINITY, paint: plain };
