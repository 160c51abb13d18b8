import type { LoadedSettings } from '../../config/load.js';
import { SETTING_NAMES, settingOf } from '../../config/settings.js';
import type { ExitCodeFacts } from '../../core/exit-codes.js';
import type { Layout } from '../output/text.js';
import { renderWrapped } from '../output/wrap.js';

/** The table of `infer help exit-codes`. */
export function exitCodesView(codes: readonly ExitCodeFacts[], layout: Layout): string[] {
  const columns = [{ title: 'CODE', align: 'right' as const }, { title: 'MEANING' }, { title: 'EXAMPLE' }];
  return renderWrapped(
    columns,
    codes.map(({ code, meaning, example }) => [String(code), meaning, example]),
    layout,
    [1, 2],
  );
}

/** One environment variable. */
export interface VariableJson {
  name: string;
  flag: string | null;
  /** As text; null when there is none. */
  default: string | null;
  meaning: string;
  /** Source of its current value: `flag`, `env`, `file` or `default`. */
  source: string;
}

/** Every variable in the table of settings, in its order. */
export function variables(loaded: LoadedSettings): VariableJson[] {
  return SETTING_NAMES.map((name) => {
    const { env, flag, doc, defaultText, default: value } = settingOf(name);
    return {
      name: env,
      flag: flag === undefined ? null : `--${flag}`,
      default: defaultText ?? (value === undefined ? null : String(value)),
      meaning: doc,
      source: loaded.sources[name].kind,
    };
  });
}

/** The table of `infer help environment`. */
export function environmentView(rows: readonly VariableJson[], layout: Layout): string[] {
  const columns = ['VARIABLE', 'FLAG', 'MEANING', 'DEFAULT', 'SET BY'].map((title) => ({ title }));
  return renderWrapped(
    columns,
    rows.map((row) => [
      row.name,
      row.flag ?? '-',
      row.meaning,
      row.default ?? '-',
      row.source === 'default' ? '-' : row.source,
    ]),
    layout,
    [2, 3],
  );
}
