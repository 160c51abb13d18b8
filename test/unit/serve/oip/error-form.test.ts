import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../../src/lib/core/error-table.js';
import { InferError } from '../../../../src/lib/core/errors.js';
import { oipErrorForm } from '../../../../src/lib/serve/oip/error-form.js';
import { openaiErrorForm } from '../../../../src/lib/serve/openai/error-form.js';

const error = (code: ErrorCode) => new InferError(code, 'input: it is wrong', { hint: 'do better' });

describe('errors of /v2', () => {
  it.each([
    ['INPUT_JSON', 400],
    ['INPUT_SHAPE', 400],
    ['OUTPUT_FORM', 400],
    ['MODEL_UNKNOWN', 404],
    ['INPUT_TOO_LARGE', 413],
    ['INPUT_FORMAT', 415],
    ['RUN_FAILED', 500],
    ['NO_WORKERS', 503],
    ['EXPIRED', 504],
  ] as const)('answer %s with %i, in the body too', (code, status) => {
    expect(oipErrorForm(error(code), '/v2/x', '/infer')).toMatchObject({
      contentType: 'application/json',
      status,
      body: { status, code, error: 'input: it is wrong', type: `/infer/errors/${code}`, hint: 'do better' },
    });
  });
});

describe("errors for OpenAI's clients", () => {
  it.each([
    ['INPUT_SHAPE', 400, 'invalid_request_error', 'INPUT_SHAPE'],
    ['MODEL_UNKNOWN', 404, 'invalid_request_error', 'model_not_found'],
    ['TOKEN', 401, 'authentication_error', 'invalid_api_key'],
    ['TOKEN_SCOPE', 403, 'permission_error', 'TOKEN_SCOPE'],
    ['RATE_LIMIT', 429, 'rate_limit_error', 'rate_limit_exceeded'],
    ['RUN_FAILED', 500, 'server_error', 'RUN_FAILED'],
  ] as const)('answer %s with %i as %s', (code, status, type, shown) => {
    expect(openaiErrorForm(error(code), '/v1/embeddings', '')).toEqual({
      contentType: 'application/json',
      status,
      body: { error: { message: 'input: it is wrong; do better', type, code: shown, param: 'input' } },
    });
  });

  it('name no field if the message does not', () => {
    const { body } = openaiErrorForm(new InferError('PARAMETER', 'that: no'), '/', '');
    expect(body).toMatchObject({ error: { param: null } });
  });
});
