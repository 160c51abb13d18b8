import type { LoadedModel } from '../model/runner.js';
import type { ModelSignature } from '../model/signature.js';

/** A model as its runners hold it; every load of a name has its own session. */
export interface ServedModel {
  session: string;
  loaded: LoadedModel;
  /** Its version was given explicitly when it was loaded manually. */
  chosen?: boolean | undefined;
}

/**
 * The models a worker serves. When a new version takes over, jobs taken earlier still run on the version they
 * were checked against; its session is unloaded when the last of them has ended.
 */
export class ServedModels {
  private readonly current = new Map<string, ServedModel>();
  /** Number of held jobs by session. */
  private readonly holds = new Map<string, number>();
  private byName: ReadonlyMap<string, ModelSignature> = new Map();

  /** @param onUnused called with a former session when no held job needs it any more. */
  constructor(
    models: readonly LoadedModel[],
    private readonly onUnused: (session: string) => void,
  ) {
    for (const loaded of models) this.current.set(loaded.signature.name, { session: nameOf(loaded), loaded });
    this.index();
  }

  /** The signatures that jobs taken now are checked against. */
  get signatures(): ReadonlyMap<string, ModelSignature> {
    return this.byName;
  }

  get all(): readonly ServedModel[] {
    return [...this.current.values()];
  }

  get(name: string): ServedModel | undefined {
    return this.current.get(name);
  }

  /** Jobs taken from now on belong to this session. */
  serve(model: ServedModel): void {
    const former = this.current.get(nameOf(model.loaded));
    this.current.set(nameOf(model.loaded), model);
    this.index();
    if (former !== undefined) this.dropUnused(former.session);
  }

  /** Jobs of this model are no longer taken. */
  forget(name: string): void {
    const former = this.current.get(name);
    this.current.delete(name);
    this.index();
    if (former !== undefined) this.dropUnused(former.session);
  }

  /** A job of this session is held. */
  hold(session: string): void {
    this.holds.set(session, this.heldBy(session) + 1);
  }

  /** A held job of this session has ended. */
  release(session: string): void {
    this.holds.set(session, this.heldBy(session) - 1);
    this.dropUnused(session);
  }

  heldBy(session: string): number {
    return this.holds.get(session) ?? 0;
  }

  private dropUnused(session: string): void {
    if (this.heldBy(session) > 0 || this.all.some((model) => model.session === session)) return;
    this.holds.delete(session);
    this.onUnused(session);
  }

  private index(): void {
    this.byName = new Map(this.all.map(({ loaded }) => [nameOf(loaded), loaded.signature]));
  }
}

function nameOf(loaded: LoadedModel): string {
  return loaded.signature.name;
}
