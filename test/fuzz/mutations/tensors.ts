import type { Random } from '../../chaos/random.js';
import { assemble, type Draft, type Mutated, type Mutation, withBytes, withHeader } from '../draft.js';

interface Tensor {
  name: string;
  datatype: string;
  shape: number[];
  data?: unknown[];
  parameters?: Record<string, unknown>;
}

interface BinaryRequest {
  document: { inputs: Tensor[] } & Record<string, unknown>;
  tensors: Buffer;
  /** Value of `Inference-Header-Content-Length`; undefined for the right one. */
  header?: string;
}

const HEADER = 'Inference-Header-Content-Length';
const SIZES: readonly unknown[] = [
  -1,
  0,
  1,
  3,
  1e9,
  2 ** 31,
  2 ** 53,
  1.5,
  '16',
  null,
  true,
  [16],
  Number.MAX_VALUE,
];
const SHAPES: readonly (readonly unknown[])[] = [
  ...[
    [],
    [0],
    [-1, 4],
    [1],
    [1, 4, 1],
    [2 ** 31, 2 ** 31],
    [2 ** 53, 4],
    [1.5, 4],
    ['1', 4],
    [null],
    [1e300, 1e300],
  ],
  Array.from({ length: 2000 }, () => 1),
];
const DATATYPES: readonly unknown[] = [
  'FP64',
  'FP16',
  'BF16',
  'INT8',
  'BOOL',
  'BYTES',
  'fp32',
  '',
  'FP32 ',
  null,
  7,
  '__proto__',
];

/** A fault in one part of a request with binary tensors. */
type Fault = (request: BinaryRequest, random: Random) => void;

const FAULTS: Readonly<Record<string, Fault>> = {
  nothing: () => undefined,
  'another size': ({ document }, random) => {
    const tensor = random.pick(document.inputs);
    tensor.parameters = { binary_data_size: random.pick(SIZES) };
  },
  'another shape': ({ document }, random) => {
    random.pick(document.inputs).shape = [...random.pick(SHAPES)] as number[];
  },
  'another datatype': ({ document }, random) => {
    random.pick(document.inputs).datatype = random.pick(DATATYPES) as string;
  },
  'data as well': ({ document }, random) => {
    random.pick(document.inputs).data = [1, 2, 3, 4];
  },
  'an input twice': ({ document }, random) => {
    document.inputs.push({ ...random.pick(document.inputs) });
  },
  'no input': ({ document }) => {
    document.inputs = [];
  },
  'fewer bytes': (request, random) => {
    request.tensors = request.tensors.subarray(0, random.int(0, Math.max(0, request.tensors.length - 1)));
  },
  'more bytes': (request, random) => {
    request.tensors = Buffer.concat([request.tensors, Buffer.alloc(random.int(1, 100))]);
  },
  'other bytes': (request, random) => {
    // NaN, infinities, denormals, text lengths beyond the end.
    request.tensors = Buffer.from(request.tensors.map(() => random.pick([0, 1, 0x7f, 0x80, 0xc0, 0xff])));
  },
  'another header': (request, random) => {
    request.header = random.pick(['0', '1', '-1', '', 'abc', '99999999', '1e2', '9'.repeat(20), '2.5', ' 5']);
  },
  'a header that is off by one': (request, random) => {
    const length = Buffer.byteLength(JSON.stringify(request.document));
    request.header = String(length + random.pick([-1, 1]));
  },
};

const ELEMENTS: Readonly<Record<string, (data: readonly unknown[]) => Buffer>> = {
  FP32: (data) => Buffer.from(Float32Array.from(data.map(Number)).buffer),
  INT64: (data) => Buffer.from(BigInt64Array.from(data.map((one) => BigInt(Math.trunc(Number(one))))).buffer),
  BYTES: (data) =>
    Buffer.concat(
      data.flatMap((one) => {
        const text = Buffer.from(String(one));
        const length = Buffer.alloc(4);
        length.writeUInt32LE(text.length);
        return [length, text];
      }),
    ),
};

/** The same request with binary tensors; undefined if it is not an inference request. */
function binaryRequest({ json }: Draft): BinaryRequest | undefined {
  const { inputs, ...rest } = (json?.value ?? {}) as { inputs?: Tensor[] };
  if (!Array.isArray(inputs) || inputs.length === 0) return undefined;
  const parts: Buffer[] = [];
  const described: Tensor[] = [];
  for (const { name, datatype, shape, data } of inputs) {
    const elements = ELEMENTS[datatype];
    if (elements === undefined || !Array.isArray(data)) return undefined;
    const bytes = elements((data as unknown[]).flat(Infinity) as unknown[]);
    parts.push(bytes);
    described.push({ name, datatype, shape: [...shape], parameters: { binary_data_size: bytes.length } });
  }
  return { document: { ...rest, inputs: described }, tensors: Buffer.concat(parts) };
}

/** Requests of the Open Inference Protocol with binary tensors after the JSON, and one fault. */
export const TENSOR_MUTATIONS: readonly Mutation[] = Object.entries(FAULTS).map(([name, fault]) => ({
  name: `binary tensors: ${name}`,
  fits: (draft) => draft.operation.path.endsWith('/infer') && binaryRequest(draft) !== undefined,
  apply: (draft, random): Mutated => {
    const request = binaryRequest(draft) as BinaryRequest;
    fault(request, random);
    const head = Buffer.from(JSON.stringify(request.document));
    const header = request.header ?? String(head.length);
    const headers = withHeader(draft.headers, HEADER, header);
    const bytes = Buffer.concat([head, request.tensors]);
    return {
      wire: assemble({ ...withBytes(draft, bytes), headers, contentType: 'application/octet-stream' }),
    };
  },
}));
