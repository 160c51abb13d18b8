import { z } from 'zod';
import { errorFacts, isErrorCode } from '../../core/error-table.js';
import { InferError } from '../../core/errors.js';
import type { App } from './app.js';
import type { RouteDoc } from './route-doc.js';

/**
 * `GET /errors/CODE` explains a code: every problem names this address as its `type`.
 * @param doc its entry in the OpenAPI document [none]
 */
export function addErrorRoute(app: App, doc?: RouteDoc): void {
  app.get(
    '/errors/:code',
    {
      config: { access: 'open', ...(doc && { doc }) },
      schema: {
        ...(doc === undefined && { hide: true }),
        params: z.object({ code: z.string().describe('code of an error, such as QUEUE_FULL') }),
      },
    },
    async ({ params: { code } }) => {
      if (!isErrorCode(code)) {
        throw new InferError('HTTP_ROUTE', 'there is no error with this code', {
          hint: 'the codes are those of docs/errors.md',
        });
      }
      const { meaning, httpStatus, exitCode, retryable, fault, doc: page } = errorFacts(code);
      return { code, meaning, status: httpStatus, exitCode, retryable, fault, documentation: `docs/${page}` };
    },
  );
}
