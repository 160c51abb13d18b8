import { describe, expect, it } from 'vitest';
import { settingOf } from '../../../src/lib/config/settings.js';
import { checkOperatorName } from '../../../src/lib/core/operator-name.js';

const { rule } = settingOf('operator');

describe('the name of an operator has one rule for settings and library', () => {
  it.each(['ada', 'Ada Lovelace <ada@example.org>', 'ночь', 'x'.repeat(128)])('takes %j', (name) => {
    expect(checkOperatorName(name)).toBe(name);
    expect(rule.read(name)).toBe(name);
  });

  it.each(['', '  ', 'x'.repeat(129), 'a\nb', 'a\u001b[31m', '\ud800', null, {}])('refuses %j', (name) => {
    expect(() => checkOperatorName(name)).toThrow(expect.objectContaining({ code: 'OPERATOR_NAME' }));
    expect(rule.read(name)).toBeUndefined();
  });

  it('does not accept a number as text in a program', () => {
    expect(() => checkOperatorName(7)).toThrow('not a value of type number');
  });
});
