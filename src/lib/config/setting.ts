import type { Rule } from './rules.js';

/** One row of the table of settings. */
export interface Setting<T> {
  /** Environment variable; every setting has one. */
  readonly env: `INFER_${string}`;
  /** Long flag without dashes, where a flag exists. */
  readonly flag?: string;
  readonly char?: string;
  /** Placeholder for the value in help. */
  readonly helpValue?: string;
  readonly doc: string;
  readonly rule: Rule<T>;
  /** As text, for help and documentation, when the default is computed. */
  readonly defaultText?: string;
  /** Never shown, and not available as a flag. */
  readonly secret?: true;
  /** A path: relative to the file that contains it, else to the current directory. */
  readonly path?: true;
  /** Only from the environment (or a flag): not allowed in a file. */
  readonly notInFile?: true;
}

/** A setting with a default is always defined after loading. */
export interface SettingWithDefault<T> extends Setting<T> {
  readonly default: T;
}

/** So is one whose default depends on the machine; `load.ts` computes it. */
export interface ComputedSetting<T> extends Setting<T> {
  readonly computed: true;
}
