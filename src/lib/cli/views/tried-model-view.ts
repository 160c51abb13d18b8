import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import { takesJson } from '../../model/signature.js';
import type { ModelCommands } from '../models/next-lines.js';
import type { TriedModel } from '../models/try-model.js';
import { sentence, widthIn } from '../output/sentence.js';
import type { Layout } from '../output/text.js';
import { modelView } from './model-view.js';

/** A longer result is cut. */
const MOST_CHARACTERS = 200;

/** A model that was loaded and run: what it takes, what the row gave, and the commands that use it. */
export function triedModelView(tried: TriedModel, commands: ModelCommands, layout: Layout): string[] {
  const { paint } = layout;
  const ran =
    tried.runMs === undefined
      ? `no row was run: ${takesJson(tried.signature) ? 'only its handler knows their form' : 'one has millions of elements'} (--input FILE runs one)`
      : `a row ran in ${formatDuration(tried.runMs)}: ${cut(JSON.stringify(tried.result))}`;
  return [
    ...modelView(tried.signature, layout),
    ...sentence(
      `${paint('green', '✓')} `,
      `loaded in ${formatDuration(tried.loadMs)}; ${printable(ran)}`,
      widthIn(layout),
    ),
    '',
    ...[
      ['serve', commands.serve],
      ['submit', commands.submit],
      ['HTTP', commands.curl],
    ].map(
      ([title = '', command = '']) =>
        `${paint('dim', title.padEnd(6))}  ${paint('cyan', printable(command))}`,
    ),
  ];
}

function cut(text: string): string {
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}
