import { closest } from 'fastest-levenshtein';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { parseModel } from '../core/names.js';
import { pollUntil } from '../core/poll.js';
import { payloadFromValue } from '../input/value.js';
import type { FileMark } from '../model/fingerprint.js';
import type { ModelSignature } from '../model/signature.js';
import type { Payload } from '../model/tensor.js';
import {
  listWorkers,
  publishedModel,
  publishedModels,
  publishedVersion,
  publishedVersions,
} from '../queue/registry.js';
import { routeTo } from '../queue/routes.js';
import { listStarting, type StartingWorker } from '../queue/starting.js';
import { serverNow } from '../redis/server-clock.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import type { ModelLookup } from './limited.js';

/**
 * Milliseconds that a signature is used without another lookup: a worker may load a new version meanwhile.
 */
const FRESH_MS = 1000;
/** After this, callers wait for the next lookup; before, they continue with the known signature meanwhile. */
const STALE_MS = 30_000;
/** How long a submit waits for a starting worker that is loading its model, ms, and how often it checks. */
const LOADING_MS = 30_000;
const LOOK_AGAIN_MS = 100;

type OnLookup = (look: ModelLookup) => void;
type LookUnderWay = { model: string; reading: boolean };

interface Known {
  signature: ModelSignature;
  at: number;
  /** Read from the local directory: its files, and the marks that show whether they changed. */
  local?: readonly FileMark[] | undefined;
}

/**
 * Finds a model's signature: as published by workers, else read from the local models directory (about half a
 * second, once), so that the first submit works before the first worker.
 */
export class Signatures {
  private readonly known = new Map<string, Known>();
  /** Lookups in progress, by model: a burst of submits asks once. */
  private readonly looks = new Map<string, { look: ModelLookup; found: Promise<ModelSignature> }>();

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
    private readonly modelsDir: string | undefined,
  ) {}

  /**
   * @param onLook called with the lookup that is being waited for, if any
   * @throws InferError MODEL_UNKNOWN (66), MODEL_LOADING (75), MODEL_NEEDED (2) when there are several and none was named.
   */
  find(name: string | undefined, onLook?: OnLookup): Promise<ModelSignature> {
    return worded(this.client, this.look(name, onLook));
  }

  /** The current signature of a model, ignoring what was known before. @throws as `find`. */
  refresh(name: string, onLook?: OnLookup): Promise<ModelSignature> {
    return worded(this.client, this.lookNow(name, onLook));
  }

  /**
   * Inspects a job: an input that fitted the known signature but not the model means that another version is
   * served.
   */
  heed<T extends { model?: string | undefined; failure?: { code: string } }>(job: T): T {
    if (job.failure?.code === 'INPUT_MISMATCH' && job.model !== undefined) this.known.delete(job.model);
    return job;
  }

  /**
   * An input for a model as tensors.
   * @throws InferError as `fitBy`.
   */
  fit(input: unknown, name: string | undefined, onLook?: OnLookup): Promise<[Payload, ModelSignature]> {
    return this.fitBy((signature) => payloadFromValue(input, signature), name, onLook);
  }

  /**
   * What `read` makes of an input for a model. If it is refused, it is tried once more with the current signature: the
   * refusal may be based on a version that is no longer served.
   * @throws InferError as `find`, and for an input that does not fit the newest signature.
   */
  async fitBy<T>(
    read: (signature: ModelSignature) => T,
    name: string | undefined,
    onLook?: OnLookup,
  ): Promise<[T, ModelSignature]> {
    const signature = await this.find(name, onLook);
    try {
      return [read(signature), signature];
    } catch (refusal) {
      const now = await this.refresh(routeTo(signature), onLook).catch(() => signature);
      if (now.digest === signature.digest && now.version === signature.version) throw refusal;
      return [read(now), now];
    }
  }

  private async look(name: string | undefined, onLook?: OnLookup): Promise<ModelSignature> {
    const wanted = name ?? (await this.onlyModel());
    const known = this.known.get(wanted);
    const age = known === undefined ? Number.POSITIVE_INFINITY : Date.now() - known.at;
    if (known !== undefined && age < FRESH_MS) return known.signature;
    if (known === undefined || age >= STALE_MS) return this.lookNow(wanted, onLook);
    const look = this.lookNow(wanted);
    // No one waits for it, and the next caller gets the error if Redis is unreachable.
    look.catch(() => undefined);
    return known.signature;
  }

  private lookNow(name: string, onLook?: OnLookup): Promise<ModelSignature> {
    let underWay = this.looks.get(name);
    if (underWay === undefined) {
      const look = { model: name, reading: false };
      underWay = { look, found: this.read(look).finally(() => this.looks.delete(name)) };
      this.looks.set(name, underWay);
    }
    onLook?.(underWay.look);
    return underWay.found;
  }

  private async read(look: LookUnderWay): Promise<ModelSignature> {
    const { model: name, version } = parseModel(look.model);
    if (version !== undefined) return this.readVersion(look, name, version);
    const published = await publishedModel(this.client, this.prefix, name);
    if (published !== undefined) {
      this.known.set(name, { signature: published, at: Date.now() });
      return published;
    }
    const local = (await this.readHere(look, name)) ?? (await this.fromStarting(name));
    if (local === undefined) throw await this.unknown(name);
    this.known.set(name, { ...local, at: Date.now() });
    return local.signature;
  }

  /** One version, as published by a worker that loaded it, or the highest local one if it is this version. */
  private async readVersion(look: LookUnderWay, name: string, version: number): Promise<ModelSignature> {
    const published = await publishedVersion(this.client, this.prefix, name, version);
    const signature = published ?? (await this.localVersion(look, name, version));
    const pinned = { ...signature, pinned: true };
    this.known.set(look.model, { signature: pinned, at: Date.now() });
    return pinned;
  }

  /** @throws InferError MODEL_UNKNOWN (66) unless the highest local version is this one. */
  private async localVersion(look: LookUnderWay, name: string, version: number): Promise<ModelSignature> {
    const versions = await publishedVersions(this.client, this.prefix, name);
    const here = await this.readHere(look, name).catch((error: unknown) => {
      if (versions.length === 0) throw error;
      return undefined;
    });
    const local = here ?? (versions.length === 0 ? await this.fromStarting(name) : undefined);
    if (local === undefined && versions.length === 0) throw await this.unknown(name);
    if (local?.signature.version === version) return local.signature;
    const loaded = versions.map((one) => `${name}@${one}`).join(', ');
    throw new InferError(
      'MODEL_UNKNOWN',
      `no worker has loaded version ${version} of model '${printable(name)}'`,
      {
        hint: `${loaded === '' ? '' : `loaded: ${loaded}; `}infer control load WORKER ${look.model} loads it`,
      },
    );
  }

  /** The model whose file or directory was given as that of the models, if one was; else the only one that live workers serve; else the only one found locally or ever published. */
  private async onlyModel(): Promise<string> {
    const workers = await listWorkers(this.client, this.prefix);
    const served = [...new Set(workers.flatMap((worker) => worker.models.map((model) => model.name)))];
    const own = await this.ownModel();
    if (own !== undefined) return own;
    if (served.length === 1) return served[0] as string;
    const local = await this.localNames();
    const published = await publishedModels(this.client, this.prefix);
    const loading = (await this.starting()).flatMap(({ models }) => models);
    const known = [...served, ...local, ...published.map((model) => model.name), ...loading];
    const names = [...new Set(known)].sort();
    if (names.length === 1) return names[0] as string;
    if (names.length === 0) {
      throw new InferError(
        'MODEL_UNKNOWN',
        'there is no model: no worker has loaded one, and the models directory holds none',
        {
          hint: 'put one at models/<name>/1/model.onnx, or start a worker that has one',
        },
      );
    }
    throw new InferError('MODEL_NEEDED', `there are several models: ${names.join(', ')}`, {
      hint: `name one: --model ${names[0]}`,
    });
  }

  private async readHere(look: LookUnderWay, name: string): Promise<Omit<Known, 'at'> | undefined> {
    look.reading = true;
    return this.readLocal(name, this.known.get(name)).finally(() => {
      look.reading = false;
    });
  }

  /**
   * Takes half a second, so it is not repeated while the files are unchanged. Undefined: not found locally.
   */
  private async readLocal(name: string, known: Known | undefined): Promise<Omit<Known, 'at'> | undefined> {
    if (known?.local !== undefined) {
      const { changedSince } = await import('../model/fingerprint.js');
      if ((await changedSince(known.local)).length === 0) return known;
    }
    if (this.modelsDir === undefined || !(await this.localNames()).includes(name)) return undefined;
    const { readSignatures } = await import('../model/probe-model.js');
    const [reading] = await readSignatures(this.modelsDir, [name]);
    if (reading === undefined) return undefined;
    if ('error' in reading) throw reading.error;
    const { signature, content } = reading.loaded;
    return { signature, local: content.files };
  }

  private async unknown(name: string): Promise<InferError> {
    const local = await this.localNames();
    const published = (await publishedModels(this.client, this.prefix)).map((model) => model.name);
    const names = [...new Set([...published, ...local])];
    const near = names.length === 0 ? undefined : closest(name, names);
    return new InferError('MODEL_UNKNOWN', `no model is called '${printable(name)}'`, {
      hint:
        near === undefined
          ? 'there is none at all: put one at models/<name>/1/model.onnx'
          : `did you mean ${near}? Models: ${names.sort().join(', ')} (infer models lists them)`,
    });
  }

  private async fromStarting(name: string): Promise<Omit<Known, 'at'> | undefined> {
    const signature = await this.whenLoaded(name);
    return signature && { signature };
  }

  /**
   * The model's signature, once a starting worker has loaded it; undefined when none is loading it.
   * @throws InferError MODEL_LOADING (75) when that takes too long.
   */
  private async whenLoaded(name: string): Promise<ModelSignature | undefined> {
    let loader = '';
    const look = async () => {
      const loading = (await this.starting()).find(({ models }) => models.includes(name));
      // In this order: a worker publishes what it has loaded before it is removed from the starting ones.
      const published = await publishedModel(this.client, this.prefix, name);
      if (published !== undefined || loading === undefined) return { published };
      loader = loading.name;
      return undefined;
    };
    const found = await pollUntil(look, { everyMs: LOOK_AGAIN_MS, timeoutMs: LOADING_MS }, () => {
      throw new InferError(
        'MODEL_LOADING',
        `worker ${printable(loader)} is still loading model ${printable(name)}: its inputs are not known yet`,
        { hint: 'try again when the worker is ready (infer inspect)' },
      );
    });
    return found.published;
  }

  private async starting(): Promise<StartingWorker[]> {
    return listStarting(this.client, this.prefix, await serverNow(this.client));
  }

  /** The model that is named by its own path. */
  private async ownModel(): Promise<string | undefined> {
    if (this.modelsDir === undefined) return undefined;
    const { onlyModelAt } = await import('../model/survey.js');
    return onlyModelAt(this.modelsDir);
  }

  /** Imported late: reading manifests costs a light command 50 ms, and a published model does not need it. */
  private async localNames(): Promise<string[]> {
    if (this.modelsDir === undefined) return [];
    try {
      const { modelNames } = await import('../model/survey.js');
      return modelNames(this.modelsDir);
    } catch {
      return [];
    }
  }
}
