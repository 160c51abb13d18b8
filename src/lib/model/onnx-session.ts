import path from 'node:path';
import { InferError, messageOf } from '../core/errors.js';
import type { HostTensor, TensorData } from './layout.js';
import { CUDA_INSTALL, missingLibrary, onnxFiles } from './onnx-files.js';
import { loadError, type OnnxSource } from './onnx-source.js';
import type { TensorMeta } from './probe-target.js';
import type { Provider } from './runner.js';
import { type DataType, ELEMENT_BYTES } from './tensor.js';

/**
 * The only importer of onnxruntime-node, for the runner process only: `create` and `run` block the thread (a
 * 900 ms run is a 900 ms gap), and its CUDA context stays until the process ends.
 */

// Since Node 23 float16 tensors take a Float16Array, which the native side of 1.30 cannot read ("not enough
// space: expected 4, got 0"). Which array it takes is decided with its first tensor, so the global is hidden
// until then and restored afterwards: handlers may need it.
const float16 = Object.getOwnPropertyDescriptor(globalThis, 'Float16Array');
if (float16 !== undefined) Reflect.deleteProperty(globalThis, 'Float16Array');
const ort = await import('onnxruntime-node');
new ort.Tensor('float16', Uint16Array.of(0), [1]);
if (float16 !== undefined) Object.defineProperty(globalThis, 'Float16Array', float16);

type Backend = Exclude<Provider, 'auto'>;

export interface SessionOptions {
  provider: Provider;
  gpu?: string | undefined;
  requireGpu: boolean;
  threads: number;
  /** Occasionally check while serving that rows of a run have the same outputs as alone. */
  rowCheck?: boolean | undefined;
}

export interface OnnxSession {
  inputs: TensorMeta[];
  outputs: TensorMeta[];
  /** Outputs that are not tensors (sequences, maps); they are never fetched. */
  skipped: string[];
  device: string;
  fallback?: string;
  /** `quiet`: a failure is expected, and ONNX Runtime logs nothing about it. */
  run(feeds: Record<string, HostTensor>, quiet?: boolean): Promise<Record<string, HostTensor>>;
  release(): Promise<void>;
}

/** Run options: only fatal errors are logged. */
const QUIET = { logSeverityLevel: 4 } as const;

const CUDA_FIX = `${CUDA_INSTALL} (needs an NVIDIA driver, CUDA 12 and cuDNN 9; infer doctor gpu says which is missing)`;

/** Why a provider cannot work here at all, found without native code; undefined when it may. */
function missing(backend: Backend): string | undefined {
  // On Linux, coreml would only warn and use the CPU, so the list of the build is checked first.
  if (!ort.listSupportedBackends().some((one) => one.name === backend)) {
    return `this build of onnxruntime-node has no ${backend} for ${process.platform}/${process.arch}`;
  }
  const library = missingLibrary(backend);
  return library === undefined ? undefined : `${library} is not installed`;
}

/**
 * Opens a model on the requested device.
 * @throws InferError MODEL_LOAD (exit 78) when the file is at fault, GPU_UNAVAILABLE (exit 69) when
 * the device is and `requireGpu` forbids the CPU.
 */
export async function openSession(source: OnnxSource, options: SessionOptions): Promise<OnnxSession> {
  const wanted: Backend = options.provider === 'auto' ? 'cuda' : options.provider;
  if (wanted === 'cpu') {
    if (options.requireGpu) throw gpuUnavailable('the provider asked for is cpu', 'cuda');
    return wrap(await openOnCpu(source, options), 'cpu', source);
  }
  let reason = missing(wanted);
  if (reason === undefined) {
    try {
      return await wrap(
        await create(source, [wanted, 'cpu'], options),
        deviceName(wanted, options.gpu),
        source,
      );
    } catch (error) {
      if (error instanceof InferError) throw error;
      reason = clean(error, source);
    }
  }
  // Only if the model loads on the CPU was the device at fault.
  const session = await openOnCpu(source, options);
  if (options.requireGpu) {
    await session.release();
    throw gpuUnavailable(reason, wanted);
  }
  return { ...(await wrap(session, 'cpu', source)), fallback: `${wanted}: ${reason}` };
}

type NativeSession = Awaited<ReturnType<typeof create>>;

function create(
  { path: file, rewritten }: OnnxSource,
  executionProviders: Backend[],
  options: SessionOptions,
) {
  const settings: Parameters<typeof ort.InferenceSession.create>[1] = {
    executionProviders,
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: {
      session: {
        // Threads that spin between runs kept 1.09 cores busy instead of 0.17 at a low load, for digits on
        // two cores.
        intra_op: { allow_spinning: '0' },
        ...(rewritten === undefined
          ? {}
          : { model_external_initializers_file_folder_path: rewritten.folder }),
      },
    },
  };
  return rewritten === undefined
    ? ort.InferenceSession.create(file, settings)
    : ort.InferenceSession.create(rewritten.bytes, settings);
}

async function openOnCpu(source: OnnxSource, options: SessionOptions): Promise<NativeSession> {
  try {
    return await create(source, ['cpu'], options);
  } catch (error) {
    throw refusal(source, error);
  }
}

/** A session for the rest of the runner; one that cannot be served is released. */
async function wrap(session: NativeSession, device: string, source: OnnxSource): Promise<OnnxSession> {
  try {
    return facade(session, device, source);
  } catch (error) {
    await session.release();
    throw error;
  }
}

function facade(session: NativeSession, device: string, { label, otherOutputs }: OnnxSource): OnnxSession {
  const inputs = session.inputMetadata.map((meta) => {
    if (!meta.isTensor) throw loadError(label, `input ${meta.name} is not a tensor`, EXPORT_TENSORS);
    return describe(meta, label);
  });
  const outputs = session.outputMetadata.flatMap((meta) => (meta.isTensor ? [describe(meta, label)] : []));
  if (outputs.length === 0) {
    const kinds = session.outputMetadata.map(
      ({ name }) => `${name} is a ${otherOutputs.get(name) ?? 'sequence or map'}`,
    );
    const what =
      kinds.length === 0
        ? 'it has no output at all'
        : `it has no output that is a tensor: ${kinds.join(', ')}`;
    throw loadError(label, what, EXPORT_TENSORS);
  }
  const names = outputs.map((output) => output.name);
  return {
    inputs,
    outputs,
    skipped: session.outputMetadata.filter((meta) => !meta.isTensor).map((meta) => meta.name),
    device,
    async run(feeds, quiet = false) {
      const tensors = byName(Object.entries(feeds).map(([name, tensor]) => [name, nativeTensor(tensor)]));
      try {
        const options = quiet ? QUIET : {};
        const results = names.includes(PROTO)
          ? await runWithProto(session, tensors, names, options)
          : await session.run(tensors, names, options);
        return byName(names.map((name) => [name, hostTensor(results[name])]));
      } catch (error) {
        throw new InferError('RUN_FAILED', clean(error), { cause: error });
      }
    },
    release: () => session.release(),
  };
}

/** An object without special names, whatever a model calls its tensors. */
function byName<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  const object = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) object[name] = value;
  return object;
}

const PROTO = '__proto__';

type NativeTensor = InstanceType<typeof ort.Tensor>;

/**
 * A run with an output called `__proto__`. The public `run` loses that name in its own objects, and the
 * native side sets it as the prototype of its answer: so it is called directly, and the output read from
 * there. That prototype, a tensor, hides outputs named like its own properties (`data`): those are requested
 * separately.
 */
async function runWithProto(
  session: NativeSession,
  feeds: Record<string, NativeTensor>,
  names: readonly string[],
  options: object,
): Promise<Record<string, NativeTensor>> {
  const { handler } = session as unknown as {
    handler: { run(feeds: object, fetches: object, options: object): Promise<Record<string, NativeTensor>> };
  };
  const ask = (some: readonly string[]) =>
    handler.run(feeds, byName(some.map((name) => [name, null])), options);
  const results = await ask(names);
  const hidden: unknown = Object.getPrototypeOf(results);
  const lost = names.filter((name) => name !== PROTO && !Object.hasOwn(results, name));
  const others = lost.length === 0 ? {} : await ask(lost);
  return byName([
    ...Object.entries({ ...results, ...others }),
    ...(hidden instanceof ort.Tensor ? [[PROTO, hidden] as const] : []),
  ]);
}

function describe(
  meta: { name: string; type: string; shape: readonly (number | string)[] },
  label: string,
): TensorMeta {
  if (!(meta.type in ELEMENT_BYTES))
    throw loadError(label, `${meta.name} has the type ${meta.type}, which cannot be passed`, EXPORT_TENSORS);
  return { name: meta.name, type: meta.type as DataType, shape: [...meta.shape] };
}

function nativeTensor(tensor: HostTensor) {
  // A shape error would name the data; the counts were checked where the tensor was created.
  return new ort.Tensor(tensor.type as 'float32', tensor.data as Float32Array, tensor.dims);
}

function hostTensor(
  tensor: { type: string; dims: readonly number[]; data: unknown } | undefined,
): HostTensor {
  if (tensor === undefined) throw new Error('the model gave no such output');
  return { type: tensor.type as DataType, dims: [...tensor.dims], data: tensor.data as TensorData };
}

function deviceName(backend: Backend, gpu: string | undefined): string {
  return gpu === undefined ? `${backend}:0` : `${backend}:0 (GPU ${gpu})`;
}

function gpuUnavailable(reason: string, wanted: Backend): InferError {
  return new InferError('GPU_UNAVAILABLE', `no ${wanted} device can be used: ${reason}`, {
    hint:
      wanted === 'cuda' || wanted === 'tensorrt'
        ? CUDA_FIX
        : 'leave out --require-gpu, or use --provider cpu',
  });
}

const EXPORT_AGAIN =
  'export the model again, or see what onnx.checker.check_model(path) says of it in Python';
const EXPORT_TENSORS =
  'export it so that every input and output is a tensor of numbers, booleans or strings (skl2onnx: options={"zipmap": False}; a sequence: add a ConcatFromSequence)';

/** MODEL_LOAD, with the real cause if it can be determined: the native text is mostly no help. */
function refusal(source: OnnxSource, error: unknown): InferError {
  const { label, suspicion } = source;
  if (suspicion !== undefined) return loadError(label, suspicion.reason, suspicion.fix, error);
  const text = messageOf(error);
  const runtime = `ONNX Runtime ${onnxFiles().version}`;
  const ir = /Unsupported model IR version: (\d+), max supported IR version: (\d+)/.exec(text);
  if (ir !== null) {
    return loadError(
      label,
      `it is of ONNX IR version ${ir[1]}, and ${runtime} reads up to ${ir[2]}`,
      `export it with an older onnx package, or in Python: model.ir_version = ${ir[2]}; onnx.save(model, path); or update onnxruntime-node`,
      error,
    );
  }
  const opset = /Opset (\d+) is under development.*support for domain (\S+) is till opset (\d+)/s.exec(text);
  if (opset !== null) {
    return loadError(
      label,
      `it uses opset ${opset[1]} of ${opset[2]}, and ${runtime} knows up to ${opset[3]}`,
      `export it with opset_version=${opset[3]} or lower, or convert it with onnx.version_converter; or update onnxruntime-node`,
      error,
    );
  }
  const op =
    /No Op registered for (\S+) with domain_version of (\d+)|(\S+) is not a registered function\/op/.exec(
      text,
    );
  if (op !== null) {
    return loadError(
      label,
      `it uses the operator ${op[1] ?? op[3]}, which ${runtime} does not have${op[2] === undefined ? '' : ` in version ${op[2]}`}`,
      'export it with standard operators and another opset_version; custom operators cannot be loaded',
      error,
    );
  }
  return loadError(label, clean(error, source), EXPORT_AGAIN, error);
}

const REASON_MAX = 300;

/** The useful part of a native message: one line, no absolute paths, no source locations. */
function clean(error: unknown, source?: OnnxSource): string {
  let text = messageOf(error);
  if (/Unsupported data type: 16\b/.test(text)) {
    return 'it has a bfloat16 input or output, which onnxruntime-node cannot pass; export it as float16 or float32';
  }
  if (source !== undefined) {
    const { path: file, label } = source;
    text = text
      .replaceAll(file, label)
      .replaceAll(path.dirname(file), path.posix.dirname(label))
      .replace(/^Load model from \S+ failed:\s*/, '');
  }
  text = text
    .replace(
      /^Non-zero status code returned while running (\S+) node\. Name:'([^']*)' Status Message: /,
      'node $1 $2: ',
    )
    .replace(/\/\S*\/onnxruntime\/\S+:\d+ /g, '')
    .replace(/\b\w+\.cc:\d+ \w+ /g, '')
    .replace(/ (resolved path|allowed directory): "[^"]*"/g, '')
    .split('\n', 1)[0] as string;
  return text.trim().slice(0, REASON_MAX);
}
