import type { SchemaElement, SchemaTree } from 'hyparquet';

/** A column of a Parquet file as infer reads it. */
export interface ParquetColumn {
  name: string;
  /** Index among the columns of the file. */
  index: number;
  /** How deep its lists are; undefined for structs, maps and lists of these, which are not read. */
  depth: number | undefined;
  tree: SchemaTree;
  /** Its elements in the schema, in the order of the file, and the last of them, which has the values. */
  elements: SchemaElement[];
  leaf: SchemaElement;
}

/** The top-level columns of a schema. */
export function columnsOf(root: SchemaTree): ParquetColumn[] {
  return root.children.map((tree, index) => {
    const elements = flat(tree);
    const leaf = elements.at(-1) as SchemaElement;
    return { name: tree.element.name, index, depth: depthOf(tree), tree, elements, leaf };
  });
}

function flat(tree: SchemaTree): SchemaElement[] {
  return [tree.element, ...tree.children.flatMap(flat)];
}

function depthOf(tree: SchemaTree): number | undefined {
  if (tree.children.length === 0) return tree.element.repetition_type === 'REPEATED' ? 1 : 0;
  const [repeated, other] = tree.children;
  const isList = tree.element.converted_type === 'LIST' || tree.element.logical_type?.type === 'LIST';
  if (
    !isList ||
    repeated === undefined ||
    other !== undefined ||
    repeated.element.repetition_type !== 'REPEATED'
  )
    return undefined;
  const [item, more] = repeated.children;
  // Lists of two levels, as old writers have them.
  if (item === undefined) return 1;
  const inner = more === undefined ? depthOf(item) : undefined;
  return inner === undefined ? undefined : inner + 1;
}

const TIMES = new Set<unknown>([
  'DATE',
  'TIME_MILLIS',
  'TIME_MICROS',
  'TIMESTAMP_MILLIS',
  'TIMESTAMP_MICROS',
]);
const LOGICAL_TIMES = new Set<unknown>(['DATE', 'TIME', 'TIMESTAMP']);

/** Whether the values of a column are numbers, not times or text. */
export function isNumber({ type, converted_type: converted, logical_type: logical }: SchemaElement): boolean {
  if (TIMES.has(converted) || LOGICAL_TIMES.has(logical?.type)) return false;
  if (type === 'INT32' || type === 'INT64' || type === 'FLOAT' || type === 'DOUBLE' || type === 'BOOLEAN')
    return true;
  return converted === 'DECIMAL' || logical?.type === 'FLOAT16';
}
