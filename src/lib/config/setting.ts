import type { Rule } from './rules.js';

/** One row of the table of settings. */
export interface Setting<T> {
  /** Environment variable; every setting has one. */
  readonly env: `INFER_${string}`;
  /** Long flag without dashes, where a flag exists. */
  readonly flag?: string;
  readonly char?: string;
  /** What stands for the value in help. */
  readonly helpValue?: string;
  readonly doc: string;
  readonly rule: Rule<T>;
  /** In words, for help and documents, when the default is computed. */
  readonly defaultText?: string;
  /** Never shown, nor read from a flag. */
  readonly secret?: true;
  /** A path: relative to the file it is written in, else to the current directory. */
  readonly path?: true;
  /** Only from the environment (or a flag): a file may not set it. */
  readonly notInFile?: true;
}

/** A setting with a default is always there after loading. */
export interface SettingWithDefault<T> extends Setting<T> {
  readonly default: T;
}

/** So is one whose default depends on the machine; `load.ts` computes it. */
export interface ComputedSetting<T> extends Setting<T> {
  readonly computed: true;
}
