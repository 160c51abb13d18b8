import type { HostTensor } from './layout.js';
import type { DataType } from './tensor.js';

/** An input or output as declared by the ONNX file; open dimensions are names, `''` when unnamed. */
export interface TensorMeta {
  name: string;
  type: DataType;
  shape: (number | string)[];
}

/** What the probe needs of a session. */
export interface ProbeTarget {
  inputs: TensorMeta[];
  outputs: TensorMeta[];
  run(feeds: Record<string, HostTensor>, quiet?: boolean): Promise<Record<string, HostTensor>>;
}

/** Row shapes by input; null = open. */
export type PinnedShapes = ReadonlyMap<string, readonly (number | null)[]>;
