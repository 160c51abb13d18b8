import { type ByteSource, type Field, fieldsOf, textOf } from './protobuf.js';

/** Field numbers of onnx.proto3 for the parts read here. */
export const ONNX = {
  model: { irVersion: 1, graph: 7, opset: 8, functions: 25 },
  opset: { domain: 1, version: 2 },
  graph: { node: 1, initializer: 5, output: 12, sparseInitializer: 15 },
  function: { node: 7 },
  node: { input: 1, output: 2, opType: 4, attribute: 5, domain: 7 },
  attribute: {
    name: 1,
    tensor: 5,
    graph: 6,
    ints: 8,
    strings: 9,
    tensors: 10,
    graphs: 11,
    sparse: 22,
    sparses: 23,
  },
  sparse: { values: 1, indices: 2 },
  tensor: { externalData: 13 },
  entry: { key: 1, value: 2 },
  value: { name: 1, type: 2 },
  type: { tensor: 1, sequence: 4, map: 5, sparse: 8, optional: 9 },
} as const;

/** Weights stored in a separate file. */
export interface ExternalData {
  /** As named in the model, relative to model.onnx. */
  location: string;
  /** Minimum length of the file, as far as the model tells. */
  bytes: number;
}

/** A ZipMap whose maps are an output of the model: scikit-learn's exporters add one. */
export interface ZipMap {
  output: string;
  /** Labels of the columns of the tensor that it converts to maps. */
  classes: string[];
}

/** What infer must know about a model file before ONNX Runtime loads it. */
export interface OnnxSummary {
  external: ExternalData[];
  zipMaps: ZipMap[];
  /** Kind of each output that is not a tensor: `sequence`, `map`, `optional`, `sparse tensor`. */
  otherOutputs: Map<string, string>;
  /** Whether it has a graph, as every model does. */
  hasGraph: boolean;
  /** Whether it imports ONNX's own operators. */
  hasOnnxDomain: boolean;
}

/** @throws ProtobufError when the bytes are not a model or end early. */
export function summarize(source: ByteSource): OnnxSummary {
  const external = new Map<string, number>();
  const zipMaps: ZipMap[] = [];
  const otherOutputs = new Map<string, string>();
  let hasGraph = false;
  let hasOnnxDomain = false;
  for (const field of fieldsOf(source)) {
    if (field.number === ONNX.model.graph && field.wire === 2) {
      hasGraph = true;
      for (const part of fieldsOf(source, field.from, field.to)) {
        if (part.number === ONNX.graph.node) {
          const zipMap = zipMapOf(source, part);
          if (zipMap !== undefined) zipMaps.push(zipMap);
        }
        if (part.number === ONNX.graph.output) {
          const { name, kind } = outputOf(source, part);
          if (kind !== undefined) otherOutputs.set(name, kind);
        }
      }
    }
    if (field.number === ONNX.model.opset && field.wire === 2) hasOnnxDomain ||= isOnnxDomain(source, field);
  }
  visitExternal(source, (entry) => {
    external.set(entry.location, Math.max(external.get(entry.location) ?? 0, entry.bytes));
  });
  return {
    external: [...external].map(([location, bytes]) => ({ location, bytes })),
    zipMaps: zipMaps.filter(({ output }) => otherOutputs.has(output)),
    otherOutputs,
    hasGraph,
    hasOnnxDomain,
  };
}

/** The messages that may contain a tensor, from the model down: the fields of each that lead further. */
type Kind = 'model' | 'graph' | 'function' | 'node' | 'attribute' | 'sparse' | 'tensor';
export const WAY_TO_TENSORS: Readonly<Record<Exclude<Kind, 'tensor'>, Readonly<Record<number, Kind>>>> = {
  model: { [ONNX.model.graph]: 'graph', [ONNX.model.functions]: 'function' },
  graph: {
    [ONNX.graph.node]: 'node',
    [ONNX.graph.initializer]: 'tensor',
    [ONNX.graph.sparseInitializer]: 'sparse',
  },
  function: { [ONNX.function.node]: 'node' },
  node: { [ONNX.node.attribute]: 'attribute' },
  attribute: {
    [ONNX.attribute.tensor]: 'tensor',
    [ONNX.attribute.tensors]: 'tensor',
    [ONNX.attribute.graph]: 'graph',
    [ONNX.attribute.graphs]: 'graph',
    [ONNX.attribute.sparse]: 'sparse',
    [ONNX.attribute.sparses]: 'sparse',
  },
  sparse: { [ONNX.sparse.values]: 'tensor', [ONNX.sparse.indices]: 'tensor' },
};

function visitExternal(
  source: ByteSource,
  found: (data: ExternalData) => void,
  kind: Kind = 'model',
  from = 0,
  to = source.size,
): void {
  if (kind === 'tensor') {
    const data = externalOf(source, from, to);
    if (data !== undefined) found(data);
    return;
  }
  const way = WAY_TO_TENSORS[kind];
  for (const field of fieldsOf(source, from, to, way))
    visitExternal(source, found, way[field.number] as Kind, field.from, field.to);
}

function externalOf(source: ByteSource, from: number, to: number): ExternalData | undefined {
  const entries = new Map<string, string>();
  for (const field of fieldsOf(source, from, to, { [ONNX.tensor.externalData]: true })) {
    const { key, value } = entryOf(source, field);
    entries.set(key, value);
  }
  const location = entries.get('location');
  if (location === undefined) return undefined;
  const bytes = Number(entries.get('offset') ?? 0) + Number(entries.get('length') ?? 0);
  return { location, bytes: Number.isFinite(bytes) ? bytes : 0 };
}

/** A StringStringEntryProto. */
export function entryOf(
  source: ByteSource,
  { from, to }: Pick<Field, 'from' | 'to'>,
): { key: string; value: string } {
  let key = '';
  let value = '';
  for (const field of fieldsOf(source, from, to)) {
    if (field.number === ONNX.entry.key) key = textOf(source, field);
    if (field.number === ONNX.entry.value) value = textOf(source, field);
  }
  return { key, value };
}

/** A ZipMap node and its labels; undefined for any other node. */
export function zipMapOf(source: ByteSource, node: Pick<Field, 'from' | 'to'>): ZipMap | undefined {
  let output = '';
  let op = '';
  const attributes: Field[] = [];
  for (const field of fieldsOf(source, node.from, node.to)) {
    if (field.number === ONNX.node.output) output = textOf(source, field);
    if (field.number === ONNX.node.opType) op = textOf(source, field);
    if (field.number === ONNX.node.attribute) attributes.push(field);
  }
  if (op !== 'ZipMap') return undefined;
  return { output, classes: attributes.flatMap((attribute) => classesOf(source, attribute)) };
}

function classesOf(source: ByteSource, attribute: Field): string[] {
  const classes: string[] = [];
  for (const field of fieldsOf(source, attribute.from, attribute.to)) {
    if (field.number === ONNX.attribute.strings) classes.push(textOf(source, field));
    if (field.number !== ONNX.attribute.ints) continue;
    if (field.wire === 0) classes.push(String(field.value));
    // Packed: varints one after the other.
    else for (const value of packed(source, field)) classes.push(String(value));
  }
  return classes;
}

function* packed(source: ByteSource, { from, to }: Field): Generator<bigint> {
  let value = 0n;
  let shift = 0n;
  for (const byte of source.slice(from, to)) {
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte >= 0x80) continue;
    yield BigInt.asIntN(64, value);
    value = 0n;
    shift = 0n;
  }
}

/** A graph's output: its name, and its kind if it is not a tensor. */
export function outputOf(
  source: ByteSource,
  output: Pick<Field, 'from' | 'to'>,
): { name: string; kind: string | undefined } {
  const kinds = {
    [ONNX.type.sequence]: 'sequence',
    [ONNX.type.map]: 'map',
    [ONNX.type.optional]: 'optional',
  };
  let name = '';
  let kind: string | undefined;
  for (const field of fieldsOf(source, output.from, output.to)) {
    if (field.number === ONNX.value.name) name = textOf(source, field);
    if (field.number !== ONNX.value.type) continue;
    for (const type of fieldsOf(source, field.from, field.to)) {
      if (type.wire === 2 && type.number !== ONNX.type.tensor)
        kind = type.number === ONNX.type.sparse ? 'sparse tensor' : (kinds[type.number as 4] ?? kind);
    }
  }
  return { name, kind };
}

function isOnnxDomain(source: ByteSource, opset: Field): boolean {
  const names = [...fieldsOf(source, opset.from, opset.to)]
    .filter(({ number }) => number === ONNX.opset.domain)
    .map((field) => textOf(source, field));
  return names.every((name) => name === '' || name === 'ai.onnx');
}
