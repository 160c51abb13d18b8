import type { ModelSignature } from '../../model/signature.js';
import { exampleInput } from '../gateway/example-input.js';
import type { JsonSchema } from '../http/route-doc.js';
import type { OpenapiDocument, Operation, PathItem } from './document.js';
import { inferAnswerSchema, inferExample, inferRequestSchema } from './tensor-schemas.js';

/** Maximum number of models with their own path: a longer document is of no use. */
const MOST_PATHS = 200;
/** Maximum number of examples of a request body. */
const MOST_EXAMPLES = 20;

const INFER = '/v2/models/{model}/infer';
const JOBS = '/v1/jobs';
const JSON_TYPE = 'application/json';
const TENSORS = 'application/octet-stream';

interface Media {
  schema: JsonSchema;
  examples?: Record<string, { summary: string; value: unknown }>;
}

/**
 * The document with a path for each model, which describes its inputs and outputs, and an example job for
 * each. Pure; does not change the given document.
 * @param models in the order of their names
 */
export function withModels(document: OpenapiDocument, models: readonly ModelSignature[]): OpenapiDocument {
  if (models.length === 0) return document;
  const shown = models.slice(0, MOST_PATHS);
  const paths: Record<string, PathItem> = { ...document.paths };
  const infer = paths[INFER]?.post;
  if (infer !== undefined) {
    for (const signature of shown) {
      paths[`/v2/models/${encodeURIComponent(signature.name)}/infer`] = { post: inferOf(signature, infer) };
    }
  }
  const submit = paths[JOBS]?.post;
  if (submit !== undefined) paths[JOBS] = { ...paths[JOBS], post: withExamples(submit, shown) };
  const responses = Object.entries(infer?.responses ?? {})
    .filter(([status]) => status !== '200')
    .map(([status, answer]) => [shared(status), answer]);
  return {
    ...document,
    paths,
    components: { ...document.components, responses: Object.fromEntries(responses) },
  };
}

/** Name of the response component that all models share for a status. */
const shared = (status: string): string => `Infer${status}`;

/** The operation of one model: the generic one with its own bodies and without the path parameter. */
function inferOf(signature: ModelSignature, generic: Operation): Operation {
  const { name } = signature;
  const schema = inferRequestSchema(signature);
  const value = schema === undefined ? undefined : inferExample(signature);
  const examples = value === undefined ? {} : { examples: { zeros: { summary: 'one row', value } } };
  const { [JSON_TYPE]: _, ...binary } = generic.requestBody?.content ?? {};
  const ok = generic.responses['200'] as JsonSchema & { content: Record<string, JsonSchema> };
  return {
    ...generic,
    operationId: `${generic.operationId}-${name}`,
    summary: `run model ${name}`,
    parameters: (generic.parameters ?? []).filter((parameter) => parameter.in !== 'path'),
    requestBody: {
      required: true,
      content: { ...(schema === undefined ? {} : { [JSON_TYPE]: { schema, ...examples } }), ...binary },
    },
    responses: {
      ...Object.fromEntries(
        Object.keys(generic.responses).map((status) => [
          status,
          { $ref: `#/components/responses/${shared(status)}` },
        ]),
      ),
      200: {
        ...ok,
        content: {
          [JSON_TYPE]: { schema: inferAnswerSchema(signature) },
          [TENSORS]: ok.content[TENSORS] as JsonSchema,
        },
      },
    },
  };
}

/** The submit operation, with an example for each model that has a short one. */
function withExamples(submit: Operation, models: readonly ModelSignature[]): Operation {
  const body = submit.requestBody;
  const media = body?.content[JSON_TYPE] as Media | undefined;
  if (body === undefined || media === undefined) return submit;
  const examples = { ...media.examples };
  let count = 0;
  for (const signature of models) {
    // Long inputs are not generated at all: an image may have a million elements.
    if (count === MOST_EXAMPLES || inferExample(signature) === undefined) continue;
    const value = { model: signature.name, input: exampleInput(signature) };
    examples[signature.name] = { summary: `one row for model ${signature.name}`, value };
    count++;
  }
  const content = { ...body.content, [JSON_TYPE]: { ...media, examples } };
  return { ...submit, requestBody: { ...body, content } };
}
