import { InferError } from '../core/errors.js';
import { changedSince, differences, type Fingerprint, fingerprint, modelChanged } from './fingerprint.js';
import {
  groupRows,
  type Handler,
  type HandlerContext,
  jsonSignature,
  loadHandler,
  type PlacedRow,
  postprocessRows,
  preprocessRows,
} from './handlers.js';
import type { ModelManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import { checkNames } from './manifest-names.js';
import { asModelFault } from './model-faults.js';
import type { ModelFiles } from './model-files.js';
import { type OnnxSession, openSession, type SessionOptions } from './onnx-session.js';
import { type OnnxSource, openSource } from './onnx-source.js';
import { blameOrigin, declaredIn } from './origins.js';
import { checkPadding } from './padding-check.js';
import { type Probed, probe } from './probe.js';
import { planRaw, type RawInputs, withImageSize } from './raw-inputs.js';
import { RowCheck } from './row-check.js';
import type { Outputs } from './row-proof.js';
import { rowsFirst, runRows } from './run-rows.js';
import type { LoadedModel, RunLimits, RunOptions } from './runner.js';
import { type OutputSelector, withOwnSelection } from './select-outputs.js';
import { classifies, type ModelSignature } from './signature.js';
import type { RunOutputs, TaskPlan } from './task-plan.js';
import { planTask } from './tasks.js';
import { concatRows, type Payload, splitRows } from './tensor.js';
import { planText } from './text-inputs.js';
import { checkTriton } from './triton-check.js';
import { timeRuns, warmUp } from './warm-up.js';

/** A loaded model inside the runner: combines session, layout, task and handler behind one `run`. */
export class ModelHost {
  readonly loaded: LoadedModel;
  readonly #session: OnnxSession;
  readonly #probed: Probed;
  readonly #task: TaskPlan;
  readonly #selector: OutputSelector;
  readonly #handler: Handler;
  readonly #context: HandlerContext;
  readonly #check: RowCheck | undefined;

  private constructor(
    loaded: LoadedModel,
    session: OnnxSession,
    probed: Probed,
    task: TaskPlan,
    selector: OutputSelector,
    handler: Handler,
    context: HandlerContext,
    checked: boolean,
  ) {
    this.loaded = loaded;
    this.#session = session;
    this.#probed = probed;
    this.#task = task;
    this.#selector = selector;
    this.#handler = handler;
    this.#context = context;
    const axes = new Map(probed.outputs.map(({ name, batchAxis }) => [name, batchAxis]));
    if (checked && probed.batchable) this.#check = new RowCheck(axes, (payload) => this.#raw(payload));
  }

  /**
   * Opens, probes and warms a model.
   * @param expect what its files must be; omitted when they are loaded for the first time.
   * @throws InferError MODEL_LOAD, MODEL_UNREADABLE, MODEL_CHANGED, MODEL_MANIFEST, HANDLER_LOAD, GPU_UNAVAILABLE.
   */
  static async load(
    files: ModelFiles,
    options: SessionOptions,
    signal: AbortSignal,
    expect?: Fingerprint,
  ): Promise<ModelHost> {
    try {
      return await ModelHost.#open(files, options, signal, expect);
    } catch (error) {
      throw asModelFault(blameOrigin(error, files), files.name, files.dir);
    }
  }

  static async #open(
    files: ModelFiles,
    options: SessionOptions,
    signal: AbortSignal,
    expect?: Fingerprint,
  ): Promise<ModelHost> {
    const started = performance.now();
    const source = openSource(files);
    const content = await readContent(files, source, expect);
    const session = await openSession(source, options);
    try {
      const { name } = files;
      const manifestLabel = `${name}/model.json`;
      // First: what it says is in the manifest too, which has neither its name nor its lines.
      const notes = files.triton === undefined ? [] : checkTriton(files.triton, session, files.manifest);
      const warnings = checkNames(files.manifest, session, manifestLabel, new Set(files.given));
      const sized = withImageSize(files.manifest, session.inputs, manifestLabel);
      const { sample: ran, ...probed } = await probe(session, sized, manifestLabel);
      const handler =
        files.handlerPath === undefined
          ? {}
          : await loadHandler(files.handlerPath, `${name}/${sized.handler}`);
      const handled = handler.preprocess !== undefined;
      const {
        text,
        settings,
        notes: said,
      } = await planText({
        files,
        handled,
        manifest: sized,
        ...probed,
        content,
        label: manifestLabel,
      });
      notes.push(...said);
      const manifest: ModelManifest = { ...sized, ...settings };
      const sample =
        classifies(manifest) && ran !== undefined ? rowsFirst(probed.outputs, ran, 1) : undefined;
      const task = planTask(manifest, probed.outputs, manifestLabel, sample);
      const raw = text ?? planRaw(manifest, session.inputs, probed.inputs, manifestLabel);
      if (raw !== undefined && handled) throw bothPrepare(manifest, manifestLabel);
      if (text !== undefined) {
        const runOne = async (payload: Payload) =>
          rowsFirst(probed.outputs, await runRows(session, probed.inputs, payload), 1);
        notes.push(...(await checkPadding(text, task, runOne)));
      }
      warnings.push(
        ...probed.warnings,
        ...outputWarnings(session.skipped, source),
        ...(await warmUp(session, probed, files)),
      );
      // A handler's own time is unknown: its sizes are learned from one row upwards.
      const plain = handler.preprocess === undefined && handler.postprocess === undefined;
      const warm = plain ? await timeRuns(session, probed, manifest) : undefined;
      // Hashed first, then loaded: if nothing has changed since, what was loaded is what was hashed.
      const moved = await changedSince(content.files);
      if (moved.length > 0) {
        throw modelChanged(name, files.version, `changed while it was loaded: ${moved.join(', ')}`, moved);
      }
      const origins = [...files.origins, ...(text?.origins ?? [])];
      const own: ModelSignature = {
        name,
        version: files.version,
        task: manifest.task ?? 'tensor',
        ...(manifest.labels === undefined ? {} : { labels: manifest.labels }),
        batchable: probed.batchable,
        batching: declaredIn(probed.batching, files),
        ...(manifest.maxBatch === undefined ? {} : { maxBatch: manifest.maxBatch }),
        inputs: probed.inputs,
        outputs: probed.outputs,
        ...trialShapes(probed),
        sizeBytes: files.sizeBytes,
        digest: content.digest,
        ...(origins.length === 0 ? {} : { origins }),
        ...(files.notes.length + notes.length === 0 ? {} : { notes: [...files.notes, ...notes] }),
        warnings,
      };
      const { signature, selector } = withOwnSelection(
        publish(own, task, handler, raw),
        manifest,
        manifestLabel,
      );
      const loaded: LoadedModel = {
        signature,
        ...(raw === undefined ? {} : { prepare: raw.plan }),
        device: session.device,
        loadMs: performance.now() - started,
        content,
        mapped: source.data.map(({ label }) => label),
        ...(warm === undefined ? {} : { warm }),
        ...(session.fallback === undefined ? {} : { fallback: session.fallback }),
      };
      const context = { model: name, signature: own, signal };
      return new ModelHost(
        loaded,
        session,
        probed,
        task,
        selector,
        handler,
        context,
        options.rowCheck === true,
      );
    } catch (error) {
      await session.release();
      throw error;
    }
  }

  /**
   * One micro-batch, rows first in and out; a handler's signal is aborted after `softMs`, and the worker
   * kills the process after `limitMs`. A row that its handler refuses, or whose scores are NaN, fails alone,
   * without a further run.
   * @throws InferError RUN_FAILED, TENSOR_BYTES when the run as a whole fails, ROWS_MIXED when a check of one
   *   of its rows proves that rows may not share a run.
   */
  async run(payload: Payload, { select, ...limits }: RunOptions = {}): Promise<RunOutputs> {
    const most = this.#selector.mostClasses(select);
    return this.#selector.apply(await this.#answer(payload, limits, most), select);
  }

  /** The outputs of the task or handler, all of them; `most` classes of a classification. */
  async #answer(payload: Payload, { softMs, limitMs }: RunLimits, most: number): Promise<RunOutputs> {
    const endsBy =
      performance.now() + Math.min(softMs ?? Number.POSITIVE_INFINITY, limitMs ?? Number.POSITIVE_INFINITY);
    if (payload.rows < 1) throw new InferError('RUN_FAILED', 'a run needs at least one row');
    if (!this.#probed.batchable && payload.rows > 1) {
      throw new InferError(
        'RUN_FAILED',
        `model ${this.#context.model} takes one row a run, not ${payload.rows}`,
      );
    }
    if (!this.hasHandler) return this.#task.apply(await this.#infer(payload, endsBy), most, payload);
    const soft = softMs === undefined ? undefined : AbortSignal.timeout(softMs);
    const context =
      soft === undefined
        ? this.#context
        : { ...this.#context, signal: AbortSignal.any([this.#context.signal, soft]) };
    const { preprocess, postprocess } = this.#handler;
    if (preprocess === undefined)
      return postprocessRows(this.#handler, rowsAt(await this.#infer(payload, endsBy)), context, soft);
    const { rows, failed } = await preprocessRows(this.#handler, payload, context, soft);
    const results: PlacedRow[] = [];
    for (const group of groupRows(rows)) {
      const raw = await this.#infer(group.payload, endsBy);
      const done =
        postprocess === undefined ? this.#task.apply(raw, most, group.payload) : { outputs: raw, failed: [] };
      const placeOf = (row: number) => group.places[row] as number;
      failed.push(...done.failed.map(({ row, error }) => ({ row: placeOf(row), error })));
      const bad = new Set(done.failed.map(({ row }) => placeOf(row)));
      const places = group.places.filter((place) => !bad.has(place));
      results.push(...rowsAt(done.outputs, places));
    }
    results.sort((a, b) => a.place - b.place);
    if (postprocess === undefined) return { outputs: joined(results), failed };
    const after = await postprocessRows(this.#handler, results, context, soft);
    return { outputs: after.outputs, failed: [...failed, ...after.failed] };
  }

  /** Whether the model has a handler of its own. */
  get hasHandler(): boolean {
    return this.#handler.preprocess !== undefined || this.#handler.postprocess !== undefined;
  }

  release(): Promise<void> {
    return this.#session.release();
  }

  /** Milliseconds that row checks took since the last call. */
  takeCheckMs(): number {
    return this.#check?.takeMs() ?? 0;
  }

  async #infer(payload: Payload, endsBy: number): Promise<Payload> {
    const begun = performance.now();
    const raw = await this.#raw(payload);
    const ended = performance.now();
    await this.#check?.after(payload, raw, ended - begun, endsBy - ended);
    return rowsFirst(this.#probed.outputs, raw, payload.rows);
  }

  #raw(payload: Payload): Promise<Outputs> {
    return runRows(this.#session, this.#probed.inputs, payload);
  }
}

/** Every row of a payload separately, at its position in the run: from `places`, or in order. */
function rowsAt(payload: Payload, places?: readonly number[]): PlacedRow[] {
  const rows = splitRows(payload, new Array<number>(payload.rows).fill(1));
  return rows.map((row, at) => ({ place: places?.[at] ?? at, payload: row }));
}

function joined(rows: readonly PlacedRow[]): Payload {
  return rows.length === 0 ? { rows: 0, tensors: [] } : concatRows(rows.map(({ payload }) => payload));
}

function publish(
  own: ModelSignature,
  task: TaskPlan,
  handler: Handler,
  raw: RawInputs | undefined,
): ModelSignature {
  const inputs =
    handler.preprocess === undefined ? (raw?.inputs ?? own.inputs) : [jsonSignature(own.batchable)];
  if (handler.postprocess === undefined) return { ...own, inputs, outputs: task.outputs };
  return { ...own, task: 'handler', inputs, outputs: [jsonSignature(own.batchable)] };
}

/** A handler's `preprocess` gets JSON rows, and the task raw ones. */
function bothPrepare({ task }: ModelManifest, label: string): Error {
  return manifestError(
    label,
    `field handler: the task ${task} prepares the rows, and so does the handler's preprocess`,
    'remove preprocess from the handler, or write "task": "classification" or "tensor"',
  );
}

/** The shapes at which open inputs are known to run, for generating rows. */
function trialShapes({ inputs, rowShapes }: Probed): { trialShapes?: Record<string, number[]> } {
  const open = inputs.filter((input) => input.shape.includes(null));
  if (open.length === 0 || rowShapes === undefined) return {};
  return {
    trialShapes: Object.fromEntries(open.map(({ name }) => [name, [...(rowShapes.get(name) ?? [])]])),
  };
}

/** What was done with outputs that are not tensors. */
function outputWarnings(skipped: readonly string[], { unzipped, otherOutputs }: OnnxSource): string[] {
  const columns = [...unzipped].map(
    ([name, classes]) =>
      `output ${name} is served without its ZipMap: float32, one column for each of the classes ${classes.join(', ')}`,
  );
  const left = skipped.map(
    (name) =>
      `output ${name} is left out: it is a ${otherOutputs.get(name) ?? 'sequence or map'}, not a tensor`,
  );
  return [...columns, ...left];
}

/** Hashes the files of a version. @throws InferError MODEL_CHANGED when they are not the expected ones. */
async function readContent(
  files: ModelFiles,
  { data }: OnnxSource,
  expect?: Fingerprint,
): Promise<Fingerprint> {
  const { contents, name, version } = files;
  const content = await fingerprint([...contents, ...data], expect?.files);
  if (expect === undefined || content.digest === expect.digest) return content;
  const changed = differences(expect.files, content.files);
  const what = `is not what this worker loaded: ${changed.join(', ')} changed on disk`;
  throw modelChanged(name, version, what, changed);
}
