/** A JSON Schema of OpenAPI 3.1: keywords, or true or false. */
export type Schema = boolean | Readonly<Record<string, unknown>>;

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header' | 'cookie';
  required: boolean;
  schema: Schema;
}

export interface MediaType {
  schema: Schema;
  /** Example bodies of the document. */
  examples: readonly unknown[];
}

/** One method of one path. */
export interface Operation {
  /** Name in reports, such as `POST /v1/jobs`. */
  name: string;
  /** In upper case. */
  method: string;
  /** `/v1/jobs/{id}`, including the path of the server. */
  path: string;
  parameters: readonly Parameter[];
  /** Bodies by media type; empty if it takes no body. */
  bodies: ReadonlyMap<string, MediaType>;
  /** Schemas of responses by status (`200`, `4XX`, `default`) and media type. */
  answers: ReadonlyMap<string, ReadonlyMap<string, Schema>>;
}

type Json = Readonly<Record<string, unknown>>;

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];
/** Maximum depth of references; more is a cycle. */
const MOST_REFERENCES = 50;

/** The parts of an OpenAPI 3.1 document that the fuzzer uses: operations with parameters and bodies. */
export class ApiDocument {
  readonly operations: readonly Operation[];
  private readonly patterns: { pattern: RegExp; literal: number; operation: Operation }[];

  /** @throws Error if it is not an OpenAPI document, or has no operation. */
  constructor(private readonly root: Json) {
    if (!String(root.openapi).startsWith('3.')) throw new Error('this is no OpenAPI 3 document');
    const base = serverPath(root);
    this.operations = Object.entries(object(root.paths)).flatMap(([path, item]) =>
      this.operationsOf(`${base}${path}`, this.resolve(item) as Json),
    );
    if (this.operations.length === 0) throw new Error('the document has no operation');
    this.patterns = this.operations
      .map((operation) => ({ operation, ...patternOf(operation.path) }))
      // A literal path takes precedence over one with parameters, as the standard says.
      .sort((a, b) => b.literal - a.literal);
  }

  /** Schemas and other parts that several operations refer to. */
  get components(): Json {
    return object(this.root.components);
  }

  /**
   * The operation of a request. HEAD uses that of GET.
   * @param path as sent, percent-encoded, without a query
   */
  find(method: string, path: string): Operation | undefined {
    const there = this.patterns.filter(({ pattern }) => pattern.test(path));
    const literal = there[0]?.literal;
    const candidates = there.filter((one) => one.literal === literal).map(({ operation }) => operation);
    const of = (wanted: string) => candidates.find((one) => one.method === wanted);
    return of(method) ?? (method === 'HEAD' ? of('GET') : undefined);
  }

  /** Resolves a `$ref` within the document. @throws Error for any other, and for an unknown one. */
  resolve(value: unknown): unknown {
    let found = value;
    for (let i = 0; i < MOST_REFERENCES; i++) {
      const reference = (found as Json | undefined)?.$ref;
      if (typeof reference !== 'string') return found;
      if (!reference.startsWith('#')) throw new Error(`the document refers to another: ${reference}`);
      found = at(this.root, reference);
      if (found === undefined) throw new Error(`the document has no ${reference}`);
    }
    throw new Error('references of the document form a circle');
  }

  private operationsOf(path: string, item: Json): Operation[] {
    return METHODS.filter((method) => item[method] !== undefined).map((method) => {
      const described = object(item[method]);
      const name = `${method.toUpperCase()} ${path}`;
      return {
        name,
        method: method.toUpperCase(),
        path,
        parameters: this.parametersOf([...list(item.parameters), ...list(described.parameters)]),
        bodies: this.bodiesOf(described.requestBody),
        answers: this.answersOf(described.responses),
      };
    });
  }

  /** Parameters of an operation replace those of its path. */
  private parametersOf(given: readonly unknown[]): Parameter[] {
    const byPlace = new Map<string, Parameter>();
    for (const one of given) {
      const { name, in: place, required, schema = {} } = this.resolve(one) as Json;
      byPlace.set(`${place} ${name}`, {
        name: String(name),
        in: place as Parameter['in'],
        required: required === true || place === 'path',
        schema: schema as Schema,
      });
    }
    return [...byPlace.values()];
  }

  private bodiesOf(given: unknown): Map<string, MediaType> {
    const { content } = object(this.resolve(given));
    return new Map(
      Object.entries(object(content)).map(([type, media]) => {
        const { schema = {}, example, examples } = object(media);
        const named = Object.values(object(examples)).map((one) => (this.resolve(one) as Json).value);
        const shown = [example, ...named].filter((one) => one !== undefined);
        return [type, { schema: schema as Schema, examples: shown }] as const;
      }),
    );
  }

  private answersOf(given: unknown): Map<string, ReadonlyMap<string, Schema>> {
    return new Map(
      Object.entries(object(given)).map(([status, answer]) => {
        const content = Object.entries(object(object(this.resolve(answer)).content));
        const schemas = content.map(
          ([type, media]) => [type, (object(media).schema ?? true) as Schema] as const,
        );
        return [status, new Map(schemas)] as const;
      }),
    );
  }
}

/** Schemas of a status by media type; undefined if the operation does not document the status. */
export function answersOf(operation: Operation, status: number): ReadonlyMap<string, Schema> | undefined {
  const { answers } = operation;
  return (
    answers.get(String(status)) ?? answers.get(`${Math.floor(status / 100)}XX`) ?? answers.get('default')
  );
}

/** Whether a status is documented other than by `default`. */
export function namesStatus({ answers }: Operation, status: number): boolean {
  return answers.has(String(status)) || answers.has(`${Math.floor(status / 100)}XX`);
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function serverPath(root: Json): string {
  const { url = '/' } = object(list(root.servers)[0]);
  return new URL(String(url), 'http://server').pathname.replace(/\/+$/, '');
}

function at(root: Json, pointer: string): unknown {
  const names = decodeURIComponent(pointer).split('/').slice(1);
  let found: unknown = root;
  for (const name of names) found = object(found)[name.replaceAll('~1', '/').replaceAll('~0', '~')];
  return found;
}

function patternOf(path: string): { pattern: RegExp; literal: number } {
  const parts = path.split(/\{[^}]*\}/);
  const source = parts.map((part) => part.replace(/[.*+?^$()|[\]\\{}]/g, '\\$&')).join('[^/]+');
  return { pattern: new RegExp(`^${source}$`), literal: parts.join('').length };
}
