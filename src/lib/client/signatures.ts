import { closest } from 'fastest-levenshtein';
import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { printable } from '../core/job.js';
import type { ModelSignature } from '../model/signature.js';
import { listWorkers, publishedModel, publishedModels } from '../queue/registry.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';

/** Milliseconds a looked-up signature is trusted: a worker may load a new version meanwhile. */
const FRESH_MS = 30_000;

/**
 * Finds what a model takes: as workers published it, else read from the local models directory
 * (about half a second, once), so that the first submit works before the first worker.
 */
export class Signatures {
  private readonly known = new Map<string, { signature: ModelSignature; at: number }>();

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
    private readonly modelsDir: string | undefined,
  ) {}

  /** @throws InferError MODEL_UNKNOWN (66), MODEL_NEEDED (2) when there are several and none was named. */
  find(name: string | undefined): Promise<ModelSignature> {
    return worded(this.client, this.look(name));
  }

  private async look(name: string | undefined): Promise<ModelSignature> {
    const wanted = name ?? (await this.onlyModel());
    const known = this.known.get(wanted);
    if (known !== undefined && Date.now() - known.at < FRESH_MS) return known.signature;
    const signature =
      (await publishedModel(this.client, this.prefix, wanted)) ?? (await this.readLocal(wanted));
    this.known.set(wanted, { signature, at: Date.now() });
    return signature;
  }

  /** The one model that live workers serve; else the only one that is here or was ever published. */
  private async onlyModel(): Promise<string> {
    const workers = await listWorkers(this.client, this.prefix);
    const served = [...new Set(workers.flatMap((worker) => worker.models.map((model) => model.name)))];
    if (served.length === 1) return served[0] as string;
    const local = await this.localNames();
    const published = await publishedModels(this.client, this.prefix);
    const names = [...new Set([...served, ...local, ...published.map((model) => model.name)])].sort();
    if (names.length === 1) return names[0] as string;
    if (names.length === 0) {
      throw new InferError('MODEL_UNKNOWN', 'there is no model: no worker has loaded one and none is here', {
        hint: 'put one at models/<name>/1/model.onnx, or start a worker that has one',
        exitCode: ExitCode.NoInput,
      });
    }
    throw new InferError('MODEL_NEEDED', `there are several models: ${names.join(', ')}`, {
      hint: `name one: --model ${names[0]}`,
      exitCode: ExitCode.Usage,
    });
  }

  private async readLocal(name: string): Promise<ModelSignature> {
    const local = await this.localNames();
    if (this.modelsDir !== undefined && local.includes(name)) {
      const { readSignatures } = await import('../model/probe-model.js');
      const [reading] = await readSignatures(this.modelsDir, [name]);
      if (reading !== undefined && 'error' in reading) throw reading.error;
      if (reading !== undefined) return reading.loaded.signature;
    }
    const published = (await publishedModels(this.client, this.prefix)).map((model) => model.name);
    const names = [...new Set([...published, ...local])];
    const near = names.length === 0 ? undefined : closest(name, names);
    throw new InferError('MODEL_UNKNOWN', `no model is called '${printable(name)}'`, {
      hint:
        near === undefined
          ? 'there is none at all: put one at models/<name>/1/model.onnx'
          : `did you mean ${near}? Models: ${names.sort().join(', ')} (infer models lists them)`,
      exitCode: ExitCode.NoInput,
    });
  }

  /** Imports late: what reads manifests costs a light command 50 ms, and a published model needs none of it. */
  private async localNames(): Promise<string[]> {
    if (this.modelsDir === undefined) return [];
    try {
      const { listModels } = await import('../model/repository.js');
      return listModels(this.modelsDir).map((model) => model.name);
    } catch {
      return [];
    }
  }
}
