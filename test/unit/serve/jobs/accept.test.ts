import { describe, expect, it } from 'vitest';
import { acceptedForm } from '../../../../src/lib/serve/gateway/jobs/accept.js';

const FORMS = ['application/json', 'application/x-ndjson', 'application/x-npy'] as const;

describe('Accept', () => {
  it.each([
    [undefined, 'application/json'],
    ['*/*', 'application/json'],
    ['application/*', 'application/json'],
    ['application/x-npy', 'application/x-npy'],
    ['APPLICATION/X-NPY', 'application/x-npy'],
    ['application/x-npy, */*', 'application/x-npy'],
    ['application/x-npy;q=0.5, application/json', 'application/json'],
    ['application/json;q=0.2, application/x-ndjson;q=0.8', 'application/x-ndjson'],
    ['text/html, application/xhtml+xml, */*;q=0.8', 'application/json'],
    ['application/json;q=0, */*', 'application/x-ndjson'],
    ['application/json; charset=utf-8', 'application/json'],
  ])('%j is %s', (accept, form) => {
    expect(acceptedForm(accept, FORMS)).toBe(form);
  });

  it.each(['text/html', 'application/json;q=0', 'image/*'])('%j has none', (accept) => {
    expect(() => acceptedForm(accept, FORMS)).toThrow(expect.objectContaining({ code: 'OUTPUT_FORM' }));
  });
});
