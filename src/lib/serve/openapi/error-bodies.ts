import { z } from 'zod';

/** Body of most errors. */
export const PROBLEM = z
  .looseObject({
    type: z.string().describe('address on this server that explains the code'),
    title: z.string().describe('meaning of the code'),
    status: z.number().int(),
    detail: z.string().describe('what is wrong with this request'),
    code: z.string().describe('stable; GET /errors/{code} explains it'),
    hint: z.string().optional().describe('what to change'),
    instance: z.string().describe('the requested path, without its query'),
    error: z.string().describe('the same text as detail, for clients of the Open Inference Protocol'),
    'violated-policies': z
      .array(z.string())
      .optional()
      .describe('limits that were reached, by their names in the RateLimit headers'),
  })
  .describe('an error (RFC 9457)')
  .meta({ id: 'Problem' });

/** Body of an error of the routes for OpenAI's clients. */
export const OPENAI_ERROR = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      code: z.string().describe("the code of the error, or OpenAI's code for it"),
      param: z.string().nullable().describe('the invalid field'),
    }),
  })
  .describe("an error in OpenAI's format")
  .meta({ id: 'OpenaiError' });
