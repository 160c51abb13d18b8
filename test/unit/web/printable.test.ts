import { describe, expect, it } from 'vitest';
import { printable as core } from '../../../src/lib/core/printable.js';
import { printable } from '../../../src/web/format/printable.js';
import { showAllCharacters } from '../../../src/web/parts/visible-text.js';

describe('names on the page', () => {
  it.each([
    ['worker-1', 'worker-1'],
    ['a\u202eb', 'a\\u202eb'],
    ['\x1b[31m\0', '\\x1b[31m\\x00'],
    ['line\nline', 'line\\x0aline'],
    ['\u{e0041}', '\\u{e0041}'],
    ['\ud800', '\\ud800'],
    ['❤\ufe0f', '❤\ufe0f'],
    ['a\ufe0f', 'a\\ufe0f'],
    ['größe שלום 模型', 'größe שלום 模型'],
  ])('%j is shown as %j', (text, shown) => expect(printable(text)).toBe(shown));

  it('every character is shown as on the command line', () => {
    const other: string[] = [];
    for (let code = 0; code <= 0xe0fff; code++) {
      const text = `x${String.fromCodePoint(code)}`;
      if (printable(text) !== core(text)) other.push(code.toString(16));
    }
    expect(other).toEqual([]);
  });

  it('texts and read attributes are made visible as they are rendered, values are left alone', () => {
    const seen: unknown[] = [];
    const options = { vnode: (vnode: { type: unknown; props: unknown }) => void seen.push(vnode) };
    showAllCharacters(options);
    const node = (type: string | null, props: unknown) => {
      const vnode = { type, props };
      options.vnode(vnode);
      return vnode.props;
    };
    expect(node(null, 'a\u202eb')).toBe('a\\u202eb');
    expect(node(null, 5)).toBe(5);
    expect(
      node('option', { value: '\0', title: '\0', 'aria-label': '\0', placeholder: '\0', class: 'x' }),
    ).toEqual({
      value: '\0',
      title: '\\x00',
      'aria-label': '\\x00',
      placeholder: '\\x00',
      class: 'x',
    });
    expect(seen).toHaveLength(3);
  });
});
