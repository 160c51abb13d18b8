import { messageOf } from '../../core/errors.js';
import type { ModelSignature } from '../../model/signature.js';
import type { Caller } from '../auth/caller.js';
import type { Gateway } from '../gateway/gateway.js';
import { knownModels } from '../gateway/known-models.js';
import { modelsFor } from '../gateway/own-models.js';
import { makeDocument, type OpenapiDocument } from './document.js';
import { withModels } from './model-paths.js';
import type { NotedRoute } from './noted-routes.js';

/** How long a document is reused, ms; the models that workers serve may change. */
const FRESH_MS = 1000;
/** Maximum number of cached documents, one per set of models. */
const MOST_KEPT = 64;

/** One reading of the models, and the documents made from it, by the models that they show. */
interface Look {
  at: number;
  models: Promise<readonly ModelSignature[]>;
  texts: Map<string, string>;
}

/** The OpenAPI documents of a gateway: one for each set of models that a caller may use. */
export class Documents {
  private readonly base: OpenapiDocument;
  private last: Look | undefined;

  /** @param tokens whether callers must have one */
  constructor(
    private readonly gateway: Gateway,
    routes: readonly NotedRoute[],
    tokens: boolean,
  ) {
    const { version, basePath } = gateway;
    this.base = makeDocument(routes, { version, basePath, tokens });
  }

  /**
   * The document for a caller, as JSON, at most a second old. It has the models that workers serve and the
   * caller may use; none if a required token is missing, or while Redis is unreachable.
   */
  async textFor(caller: Caller): Promise<string> {
    const look = this.look();
    const models = modelsFor(caller, await look.models);
    const key = JSON.stringify(models.map(({ name }) => name));
    const known = look.texts.get(key);
    if (known !== undefined) return known;
    const text = JSON.stringify(withModels(this.base, models));
    if (look.texts.size >= MOST_KEPT) look.texts.clear();
    look.texts.set(key, text);
    return text;
  }

  private look(): Look {
    const now = performance.now();
    if (this.last === undefined || now - this.last.at > FRESH_MS)
      this.last = { at: now, models: this.servedModels(), texts: new Map() };
    return this.last;
  }

  /** Signatures of the models that workers serve now, by name. Callers share it, so none can abort it. */
  private async servedModels(): Promise<ModelSignature[]> {
    try {
      const models = await knownModels(this.gateway, new AbortController().signal);
      return models.flatMap(({ signature, served }) =>
        signature === undefined || served.length === 0 ? [] : [signature],
      );
    } catch (error) {
      this.gateway.log.debug({ err: messageOf(error) }, 'the OpenAPI document has no models');
      return [];
    }
  }
}
