import type { z } from 'zod';
import type { ErrorCode } from '../../core/error-table.js';

/** A JSON Schema of draft 2020-12, which OpenAPI 3.1 uses. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Topic of a route: a tag of the OpenAPI document. */
export type RouteTopic =
  | 'Jobs'
  | 'Recipe'
  | 'Inference'
  | 'Models'
  | 'OpenAI'
  | 'Deployment'
  | 'Control'
  | 'Server';

/** Headers of requests that a route reads, lower case. Those that HTTP itself reads are left out. */
export type RequestHeader =
  | 'prefer'
  | 'idempotency-key'
  | 'content-encoding'
  | 'accept-encoding'
  | 'inference-header-content-length';

/** Headers of answers that say something about the work, lower case. */
export type AnswerHeader =
  | 'location'
  | 'retry-after'
  | 'preference-applied'
  | 'ratelimit'
  | 'ratelimit-policy'
  | 'server-timing'
  | 'infer-failed-rows'
  | 'inference-header-content-length'
  | 'www-authenticate';

/** A body in one media type. */
export interface MediaDoc {
  schema: z.ZodType | JsonSchema;
  /** By name. */
  examples?: Readonly<Record<string, { summary: string; value: unknown }>>;
}

/** A body by media type. */
export type ContentDoc = Readonly<Record<string, MediaDoc>>;

/** An answer with one status. */
export interface AnswerDoc {
  description: string;
  headers?: readonly AnswerHeader[];
  /** Left out: JSON of the route's response schema for this status, or no body where it has none. */
  content?: ContentDoc;
  /** Of the JSON body, where `content` is left out. */
  example?: unknown;
}

/** What the OpenAPI document says about a route besides the schemas that validate its requests. */
export interface RouteDoc {
  /** Unique: clients that are generated from the document name their functions after it. */
  id: string;
  topic: RouteTopic;
  /** A few words, as in a list of routes. */
  summary: string;
  description?: string;
  /** Parameters of an address that ends in `*`, which is the one parameter. */
  params?: z.ZodObject;
  /** Parameters of the query, where the route reads them itself. */
  query?: z.ZodObject;
  headers?: readonly RequestHeader[];
  body?: { required: boolean; content: ContentDoc };
  /** Answers by status. Errors are added by their codes; one that is here as well keeps this body too. */
  answers: Readonly<Record<number, AnswerDoc>>;
  /** Codes of its errors besides those that follow from its access, its parameters and its body. */
  errors?: readonly ErrorCode[];
}
