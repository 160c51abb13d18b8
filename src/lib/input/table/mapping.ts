import { badInput, type InferError } from '../../core/errors.js';
import { fixedCount } from '../../model/row-shape.js';
import { type ModelSignature, type TensorSignature, takesJson } from '../../model/signature.js';
import { unit, wantedShape } from '../../model/value-words.js';
import { bareInput } from '../left-out.js';
import { inputNames, inputOf, nearest, shownName } from '../wanted.js';
import { type ColumnWishes, columnsNamed, shownColumns } from './column-wishes.js';
import type { Table } from './table.js';

/** The columns that make one input: one with its whole value, or one for each element. */
export interface InputColumns {
  columns: number[];
  /** One column holds all elements, as a list. */
  list: boolean;
}

/** By input of the signature; undefined: it is left out and has its default. */
export type Mapping = (InputColumns | undefined)[];

/** Columns that tables have besides the model's input, in small letters. */
const BESIDES = new Set(['id', 'index', 'label', 'target', 'class', 'y', 'column_1']);

/** Names that a header may contain: of inputs, and of columns that were asked for. */
export function knownNames({ inputs }: ModelSignature, wishes: ColumnWishes | undefined): Set<string> {
  const asked = [...(wishes?.values() ?? [])].flat();
  return new Set([...inputs.map(({ name }) => name), ...asked.flatMap((name) => name.split('..'))]);
}

/**
 * Finds the columns of each input: those asked for; one of its name; numbered ones of its name (`pixels_0`,
 * `pixels.1`, `pixels[2]`); for the only input of a model also numbered ones of any name, or all columns of
 * numbers, if there are as many as it takes.
 * @throws InferError INPUT_NAMES, INPUT_SHAPE (65) saying which columns there are and how to name them.
 */
export function mapColumns(
  table: Pick<Table, 'label' | 'columns' | 'numeric' | 'named' | 'lists'>,
  signature: ModelSignature,
  wishes: ColumnWishes = new Map(),
): Mapping {
  if (takesJson(signature)) return [];
  for (const name of wishes.keys()) {
    if (signature.inputs.some((input) => input.name === name)) continue;
    const near = nearest(
      name,
      signature.inputs.map((input) => input.name),
    );
    throw badInput(
      'INPUT_NAMES',
      `'${shownName(name)}' is not an input of model ${signature.name}; it takes ${inputNames(signature)}`,
      {
        hint:
          near === undefined ? 'name one of its inputs: --columns INPUT=COLUMNS' : `did you mean '${near}'?`,
      },
    );
  }
  const bare = bareInput(signature);
  return signature.inputs.map((input, index) => {
    const asked = wishes.get(input.name);
    const columns =
      asked === undefined
        ? found(table, input, index === bare)
        : columnsNamed(asked, table.columns, table.label);
    if (columns !== undefined) return fitted(columns, input, table, signature.name);
    if (input.default !== undefined) return undefined;
    throw notFound(table, input, signature);
  });
}

function found(
  table: Pick<Table, 'columns' | 'numeric' | 'named' | 'lists'>,
  input: TensorSignature,
  only: boolean,
): number[] | undefined {
  const { columns } = table;
  const own = columns.indexOf(input.name);
  if (own >= 0) return [own];
  const wanted = fixedCount(input.shape);
  const fits = (indexes: readonly number[]) => wanted === undefined || indexes.length === wanted;
  const groups = numbered(columns);
  const ofName = groups.get(input.name);
  if (ofName !== undefined) return ofName;
  if (!only) return undefined;
  const [group, ...others] = [...groups.values()].filter((indexes) => indexes.length > 1 && fits(indexes));
  if (table.named && group !== undefined && others.length === 0) return group;
  const lists = columns.flatMap((_, index) => (table.lists?.[index] ? [index] : []));
  if (wanted !== 1 && input.type !== 'string' && lists.length === 1) return lists;
  if (input.type === 'string') return columns.length === 1 ? [0] : undefined;
  const numbers = columns.flatMap((_, index) => (table.numeric[index] ? [index] : []));
  if (wanted !== undefined && numbers.length === wanted) return numbers;
  const features = numbers.filter((index) => !BESIDES.has((columns[index] as string).toLowerCase()));
  return table.named && wanted !== undefined && features.length === wanted ? features : undefined;
}

const NUMBERED = /^(.*?)[_.\- ]?\[?(\d{1,6})\]?$/;

/** Columns whose names are equal but for a number, which counts from 0 or 1, in the order of the numbers. */
function numbered(columns: readonly string[]): Map<string, number[]> {
  const groups = new Map<string, Map<number, number>>();
  for (const [index, name] of columns.entries()) {
    const [, stem, digits] = NUMBERED.exec(name) ?? [];
    if (stem === undefined || digits === undefined) continue;
    const group = groups.get(stem) ?? new Map<number, number>();
    groups.set(stem, group);
    group.set(Number(digits), index);
  }
  const whole = new Map<string, number[]>();
  for (const [stem, group] of groups) {
    const numbers = [...group.keys()].sort((a, b) => a - b);
    const first = numbers[0] as number;
    if (first > 1 || numbers.some((number, at) => number !== first + at)) continue;
    whole.set(
      stem,
      numbers.map((number) => group.get(number) as number),
    );
  }
  return whole;
}

/** @throws InferError INPUT_SHAPE if an input does not have as many elements as columns were found. */
function fitted(
  columns: number[],
  input: TensorSignature,
  table: Pick<Table, 'label' | 'columns'>,
  model: string,
): InputColumns {
  const wanted = fixedCount(input.shape);
  if (columns.length === 1) return { columns, list: wanted !== 1 };
  const lengths = input.shape.filter((dim) => dim !== 1);
  if (wanted === columns.length || (wanted === undefined && lengths.length === 1))
    return { columns, list: false };
  const first = shownName(table.columns[columns[0] as number] ?? '');
  const last = shownName(table.columns[columns.at(-1) as number] ?? '');
  throw badInput(
    'INPUT_SHAPE',
    `${table.label} has ${columns.length} columns for '${input.name}', '${first}' to '${last}'; ${inputOf(input, model)} takes ${wantedShape(input)}`,
    { hint: `name its columns: --columns ${input.name}=FIRST..LAST` },
  );
}

function notFound(
  table: Pick<Table, 'label' | 'columns' | 'numeric' | 'named'>,
  input: TensorSignature,
  signature: ModelSignature,
): InferError {
  const { columns } = table;
  const numbers = table.numeric.filter(Boolean).length;
  const have =
    input.type === 'string'
      ? `${columns.length} columns: ${shownColumns(columns)}`
      : `${numbers} column${numbers === 1 ? '' : 's'} of numbers among ${shownColumns(columns)}`;
  const wanted = fixedCount(input.shape) === 1 ? `one ${unit(input)[0]}` : wantedShape(input);
  const near = nearest(input.name, columns);
  const named = fixedCount(input.shape) !== 1 ? 'FIRST..LAST' : near === undefined ? 'NAME' : shownName(near);
  return badInput(
    'INPUT_NAMES',
    `${table.label} has no column for '${input.name}'; ${inputOf(input, signature.name)} takes ${wanted}, and there are ${have}`,
    {
      hint: `say which columns make it: --columns ${input.name}=${named}`,
    },
  );
}
