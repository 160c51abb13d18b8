import { INTEGER_BOUNDS, NOT_FINITE } from '../../model/elements.js';
import { type ModelSignature, type TensorSignature, takesJson } from '../../model/signature.js';
import { type DataType, isFloat, OIP_NAMES } from '../../model/tensor.js';
import { sampleDataUrl } from '../../task/sample-image.js';
import type { JsonSchema } from '../http/route-doc.js';
import { metadataOf, rowAxis } from '../oip/metadata.js';

/** Maximum number of elements of an example. */
const MOST_ELEMENTS = 128;
const WIDE_TYPES: readonly DataType[] = ['int64', 'uint64'];

/**
 * Schema of the JSON body of `POST /v2/models/<model>/infer`. Undefined if an input is FP16, which JSON
 * cannot represent: the request then needs binary tensors.
 */
export function inferRequestSchema(signature: ModelSignature): JsonSchema | undefined {
  const { name, inputs, outputs } = signature;
  if (inputs.some(({ type }) => type === 'float16')) return undefined;
  const shapes = metadataOf(signature, []).inputs.map(({ shape }) => shape);
  const required = inputs.filter((input) => input.default === undefined);
  return {
    type: 'object',
    description: `a request to model ${name}: ${inputs.map(words).join(', ')}`,
    required: ['inputs'],
    properties: {
      id: { type: 'string', description: 'returned in the response' },
      parameters: ref('InferParameters'),
      inputs: {
        type: 'array',
        minItems: Math.max(1, required.length),
        maxItems: inputs.length,
        items: oneOf(inputs.map((input, i) => inputSchema(input, shapes[i] as number[], signature))),
        ...(inputs.length === 1 || required.length === 0
          ? {}
          : { allOf: required.map((input) => ({ contains: named(input) })) }),
      },
      outputs: {
        type: 'array',
        description: 'outputs to return; without it, all outputs of the model',
        maxItems: outputs.length,
        items: {
          type: 'object',
          required: ['name'],
          properties: {
            name: { enum: outputs.map((output) => output.name) },
            parameters: ref('OutputParameters'),
          },
        },
      },
    },
  };
}

/** Schema of its JSON response. */
export function inferAnswerSchema(signature: ModelSignature): JsonSchema {
  const { name, outputs } = signature;
  const shapes = metadataOf(signature, []).outputs.map(({ shape }) => shape);
  return {
    type: 'object',
    required: ['model_name', 'outputs'],
    properties: {
      model_name: { const: name },
      model_version: { type: 'string' },
      id: { type: 'string', description: 'id of the request' },
      outputs: {
        type: 'array',
        items: oneOf(outputs.map((output, i) => outputSchema(output, shapes[i] as number[]))),
      },
    },
  };
}

/** Elements of an example; numbers are zero. */
const EXAMPLES: Partial<Record<DataType, unknown>> = { string: 'text', bool: false };

/** A request of one row of zeros and short texts; undefined if too long, or if a handler reads the input. */
export function inferExample(signature: ModelSignature): JsonSchema | undefined {
  const { inputs, batchable, trialShapes } = signature;
  if (takesJson(signature)) return undefined;
  const needed = inputs.filter((input) => input.default === undefined);
  const tensors = (needed.length === 0 ? inputs.slice(0, 1) : needed).map((input) => {
    const shape = input.shape.map((size, i) => size ?? trialShapes?.[input.name]?.[i] ?? 1);
    const axis = rowAxis(input, batchable);
    if (axis !== null) shape.splice(axis, 0, 1);
    const count = shape.reduce((product, size) => product * size, 1);
    return { input, shape, count };
  });
  if (tensors.reduce((sum, { count }) => sum + count, 0) > MOST_ELEMENTS) return undefined;
  return {
    inputs: tensors.map(({ input: { name, type, role }, shape, count }) => ({
      name,
      shape,
      datatype: OIP_NAMES[type],
      data: new Array(count).fill(role === 'image' ? sampleDataUrl() : (EXAMPLES[type] ?? 0)),
    })),
  };
}

const PARAMETERS: JsonSchema = {
  type: 'object',
  description: 'other names are ignored, except that names starting with triton_ are refused',
  properties: {
    priority: {
      type: 'integer',
      minimum: 0,
      description: '1 is the most urgent, 0 the default; 10 and more are the same as the default',
    },
    timeout: {
      type: 'integer',
      minimum: 0,
      description: 'microseconds after which a request that has not started expires; 0: never',
    },
    binary_data_output: { type: 'boolean', description: 'outputs are returned as bytes' },
    queue: { type: 'string', description: 'queue of the job' },
  },
};

const OUTPUT_PARAMETERS: JsonSchema = {
  type: 'object',
  properties: {
    binary_data: { type: 'boolean', description: 'this output is returned as bytes' },
    classification: {
      type: 'integer',
      minimum: 0,
      description: 'number of highest scores to return, as text `value:index` or `value:index:label`',
    },
  },
};

/** Schemas of tensor elements by component name. */
const ELEMENTS: Readonly<Record<string, JsonSchema>> = {
  FloatData: { anyOf: [{ type: 'number' }, { enum: [...NOT_FINITE.keys()] }] },
  IntegerData: { type: 'integer' },
  WideIntegerData: { anyOf: [{ type: 'integer' }, { type: 'string', pattern: '^-?\\d{1,20}$' }] },
  BooleanData: { type: 'boolean' },
  TextData: { type: 'string' },
};

const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

/** A list of elements, flat or nested. */
const dataOf = (name: string, element: JsonSchema): JsonSchema => ({
  type: 'array',
  description: 'row-major, flat or nested',
  items: { anyOf: [element, ref(name)] },
});

const ANY_DATA: JsonSchema = { anyOf: Object.keys(ELEMENTS).map(ref) };
const ANY_TENSOR: JsonSchema = {
  type: 'object',
  required: ['name', 'shape', 'datatype'],
  properties: {
    name: { type: 'string' },
    shape: anyShape(undefined),
    datatype: { enum: Object.values(OIP_NAMES) },
    parameters: {
      type: 'object',
      properties: {
        binary_data_size: { type: 'integer', minimum: 0, description: 'number of bytes after the JSON' },
      },
    },
    data: ANY_DATA,
  },
};

/** Components of the document: bodies for any model, and schemas that single models' bodies refer to. */
export const TENSOR_COMPONENTS: Readonly<Record<string, JsonSchema>> = {
  InferRequest: {
    type: 'object',
    required: ['inputs'],
    properties: {
      id: { type: 'string', description: 'returned in the response' },
      parameters: ref('InferParameters'),
      inputs: { type: 'array', minItems: 1, items: ANY_TENSOR },
      outputs: {
        type: 'array',
        description: 'outputs to return; without it, all outputs of the model',
        items: {
          type: 'object',
          required: ['name'],
          properties: { name: { type: 'string' }, parameters: ref('OutputParameters') },
        },
      },
    },
  },
  InferAnswer: {
    type: 'object',
    required: ['model_name', 'outputs'],
    properties: {
      model_name: { type: 'string' },
      model_version: { type: 'string' },
      id: { type: 'string', description: 'id of the request' },
      outputs: { type: 'array', items: ANY_TENSOR },
    },
  },
  InferParameters: PARAMETERS,
  OutputParameters: OUTPUT_PARAMETERS,
  ...Object.fromEntries(Object.entries(ELEMENTS).map(([name, element]) => [name, dataOf(name, element)])),
};

function componentOf(type: DataType): string {
  if (type === 'string') return 'TextData';
  if (type === 'bool') return 'BooleanData';
  if (isFloat(type)) return 'FloatData';
  return WIDE_TYPES.includes(type) ? 'WideIntegerData' : 'IntegerData';
}

function dataSchema(type: DataType): JsonSchema {
  const [min, max] = INTEGER_BOUNDS[type] ?? [];
  const data = ref(componentOf(type));
  return min === undefined ? data : { ...data, description: `from ${min} to ${max}` };
}

function inputSchema(
  input: TensorSignature,
  shape: readonly number[],
  { batchable }: ModelSignature,
): JsonSchema {
  const { name, type } = input;
  // A model of one row per run accepts its own shape, and rows joined before it or along its first axis.
  const exact = batchable || input.shared;
  return {
    type: 'object',
    title: name,
    required: ['name', 'shape', 'datatype', 'data'],
    properties: {
      name: { const: name },
      datatype: { const: OIP_NAMES[type] },
      shape: exact ? shapeSchema(shape) : anyShape(shape),
      data: dataSchema(type),
    },
  };
}

function outputSchema({ name, type }: TensorSignature, shape: readonly number[]): JsonSchema {
  return {
    type: 'object',
    title: name,
    required: ['name', 'shape', 'datatype'],
    properties: {
      name: { const: name },
      datatype: {
        enum: [...new Set([OIP_NAMES[type], 'BYTES'])],
        description: 'BYTES if classes are returned instead of scores',
      },
      shape: anyShape(shape),
      ...(type === 'float16' ? {} : { data: dataSchema(type) }),
      parameters: {
        type: 'object',
        properties: { binary_data_size: { type: 'integer', minimum: 0 } },
      },
    },
  };
}

/** The sizes of the model; -1 allows any. */
function shapeSchema(shape: readonly number[]): JsonSchema {
  return {
    type: 'array',
    description: sizes(shape),
    prefixItems: shape.map((size) => (size < 0 ? { type: 'integer', minimum: 1 } : { const: size })),
    minItems: shape.length,
    maxItems: shape.length,
  };
}

function anyShape(shape: readonly number[] | undefined): JsonSchema {
  const description = shape === undefined ? 'including the rows' : sizes(shape);
  return { type: 'array', description, items: { type: 'integer', minimum: 0 } };
}

function sizes(shape: readonly number[]): string {
  return `[${shape.join(', ')}]; -1 is any length`;
}

function words({ name, type, default: value }: TensorSignature): string {
  return `${name} (${OIP_NAMES[type]}${value === undefined ? '' : ', optional'})`;
}

function named({ name }: TensorSignature): JsonSchema {
  return { type: 'object', required: ['name'], properties: { name: { const: name } } };
}

function oneOf(schemas: readonly JsonSchema[]): JsonSchema {
  return schemas.length === 1 ? (schemas[0] as JsonSchema) : { oneOf: schemas };
}
