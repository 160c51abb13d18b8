import { entryOf, ONNX, outputOf, WAY_TO_TENSORS, zipMapOf } from './onnx-proto.js';
import {
  type ByteSource,
  bufferSource,
  type Field,
  fieldBytes,
  fieldsOf,
  textOf,
  varintBytes,
} from './protobuf.js';

/** What to change in the bytes of a model; everything else is kept. */
export interface Rewrite {
  /** New location of external data by its location in the file. */
  locations: ReadonlyMap<string, string>;
  /** Outputs of ZipMap nodes, by name, that become the ZipMap's input tensor, with its number of columns. */
  zipMaps: ReadonlyMap<string, number>;
}

type Kind = keyof typeof WAY_TO_TENSORS | 'tensor';

/** A model's bytes with other locations of external data, and with tensors instead of ZipMaps' maps. */
export function rewriteModel(bytes: Uint8Array, rewrite: Rewrite): Buffer {
  return new Rewriter(bufferSource(bytes), rewrite).message('model', 0, bytes.length) ?? Buffer.from(bytes);
}

/** The fields of each message that may be changed, or may contain something to change. */
const WAY: Readonly<Record<Kind, Readonly<Record<number, unknown>>>> = {
  ...WAY_TO_TENSORS,
  graph: { ...WAY_TO_TENSORS.graph, [ONNX.graph.output]: true },
  tensor: { [ONNX.tensor.externalData]: true },
};

class Rewriter {
  constructor(
    private readonly source: ByteSource,
    private readonly rewrite: Rewrite,
  ) {}

  /** A message with its changes; undefined if there are none. The bytes between two changes are one piece. */
  message(kind: Kind, from: number, to: number): Buffer | undefined {
    const parts: Uint8Array[] = [];
    let kept = from;
    for (const field of fieldsOf(this.source, from, to, WAY[kind])) {
      const changed = this.field(kind, field);
      if (changed === undefined) continue;
      parts.push(this.source.slice(kept, field.start), changed);
      kept = field.to;
    }
    if (parts.length === 0) return undefined;
    return Buffer.concat([...parts, this.source.slice(kept, to)]);
  }

  private field(kind: Kind, field: Field): Buffer | undefined {
    const { number, from, to } = field;
    if (kind === 'tensor') return this.external(field);
    if (kind === 'graph' && number === ONNX.graph.output) return this.output(field);
    if (kind === 'graph' && number === ONNX.graph.node) {
      const zipMap = zipMapOf(this.source, field);
      if (zipMap !== undefined && this.rewrite.zipMaps.has(zipMap.output)) return this.identity(field);
    }
    const next = WAY_TO_TENSORS[kind][number];
    const changed = next === undefined ? undefined : this.message(next, from, to);
    return changed === undefined ? undefined : fieldBytes(number, changed);
  }

  private external(field: Field): Buffer | undefined {
    const { key, value } = entryOf(this.source, field);
    const location = key === 'location' ? this.rewrite.locations.get(value) : undefined;
    if (location === undefined) return undefined;
    const entry = [fieldBytes(ONNX.entry.key, key), fieldBytes(ONNX.entry.value, location)];
    return fieldBytes(ONNX.tensor.externalData, Buffer.concat(entry));
  }

  /** The node passes its input through instead of converting it to maps. */
  private identity({ from, to }: Field): Buffer {
    const kept = [...fieldsOf(this.source, from, to)].filter(
      ({ number }) => number === ONNX.node.input || number === ONNX.node.output,
    );
    const names = kept.map((field) => fieldBytes(field.number, textOf(this.source, field)));
    return fieldBytes(ONNX.graph.node, Buffer.concat([...names, fieldBytes(ONNX.node.opType, 'Identity')]));
  }

  /** float32 `[?, columns]`, the input of every ZipMap. */
  private output(field: Field): Buffer | undefined {
    const { name } = outputOf(this.source, field);
    const columns = this.rewrite.zipMaps.get(name);
    if (columns === undefined) return undefined;
    const width = Buffer.concat([varintBytes(1 * 8), varintBytes(columns)]);
    const shape = Buffer.concat([fieldBytes(1, ''), fieldBytes(1, width)]);
    const tensor = Buffer.concat([varintBytes(1 * 8), varintBytes(1), fieldBytes(2, shape)]);
    const type = fieldBytes(ONNX.type.tensor, tensor);
    const info = [fieldBytes(ONNX.value.name, name), fieldBytes(ONNX.value.type, type)];
    return fieldBytes(ONNX.graph.output, Buffer.concat(info));
  }
}
