import { printable } from '../format/printable.js';

/** Attributes that a reader sees or hears. */
const READ = ['title', 'aria-label', 'placeholder'] as const;

/** What of a node of Preact matters here. Each text is a node too: without a type, and the text as its props. */
interface Rendered {
  type: unknown;
  props: unknown;
}

/** What of Preact's `options` is used. Its own types would bring those of a browser to the tests. */
interface RenderHooks {
  vnode?(vnode: Rendered): void;
}

/**
 * From now on, every text that is rendered is `printable`: names and messages come from everyone who submits a job
 * or starts a worker. Only what is shown changes; the values of fields and what is sent stay as they are.
 */
export function showAllCharacters(options: RenderHooks): void {
  const before = options.vnode;
  options.vnode = (vnode) => {
    makeVisible(vnode);
    before?.(vnode);
  };
}

function makeVisible(vnode: Rendered): void {
  if (vnode.type === null) {
    if (typeof vnode.props === 'string') vnode.props = printable(vnode.props);
    return;
  }
  if (typeof vnode.type !== 'string') return;
  const props = vnode.props as Record<string, unknown>;
  for (const name of READ) {
    const value = props[name];
    if (typeof value === 'string') props[name] = printable(value);
  }
}
