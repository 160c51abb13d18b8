import { InferError } from '../core/errors.js';
import { decodeEnvelope } from '../model/envelope.js';
import { leastResultBytes, makingOf } from '../model/selection.js';
import type { ModelSignature } from '../model/signature.js';
import { ELEMENT_BYTES, elementCount, hasStrings, type Payload, type RowTensor } from '../model/tensor.js';
import { checkResultSize } from '../queue/broker/too-large.js';
import { jobDamaged, unreadableInput } from '../queue/damage.js';
import type { RunnableJob, TakenJob } from '../queue/types.js';
import type { SizeLimit } from '../redis/size-limits.js';

/** Returns the limit for stored results, if known, when a result of this many bytes may exceed it. */
export type ResultLimit = (bytes: number) => SizeLimit | undefined;

/**
 * Opens a taken job's input and checks it against the model's signature: the submitter checked it too, but
 * perhaps against another version, and one bad row in a micro-batch would fail all its rows.
 * A job whose input cannot be read is marked as damaged and set aside, like one with a damaged record.
 * @throws InferError JOB_DAMAGED, INPUT_LOST, MODEL_UNKNOWN, INPUT_MISMATCH, RESULT_TOO_LARGE
 */
export function admit(
  job: TakenJob,
  signatures: ReadonlyMap<string, ModelSignature>,
  resultLimit?: ResultLimit,
): { job: RunnableJob; payload: Payload } {
  if (job.unrunnable?.kind === 'damaged') throw jobDamaged(job.unrunnable.what);
  if (!namesModel(job)) {
    throw new InferError('NOT_OURS', 'this job was not added by infer, so its input cannot be read', {
      hint: 'add jobs with infer submit or InferClient',
    });
  }
  const { spec } = job;
  const signature = signatures.get(spec.model);
  if (signature === undefined || (spec.version !== undefined && spec.version !== signature.version)) {
    const known = [...signatures.keys()].join(', ') || 'none';
    throw new InferError(
      'MODEL_UNKNOWN',
      `this worker does not serve model ${spec.model} (it serves: ${known})`,
      {
        hint: `start a worker with --model ${spec.model}`,
      },
    );
  }
  if (job.input.byteLength === 0) {
    throw new InferError('INPUT_LOST', 'its input is no longer in Redis', {
      hint: 'submit it again; if Redis evicts keys, set its maxmemory-policy to noeviction',
    });
  }
  const damaged = (why: string): InferError => {
    job.unrunnable = { kind: 'damaged', what: unreadableInput(why) };
    return jobDamaged(job.unrunnable.what);
  };
  const { payload } = decodeEnvelope(job.input, damaged);
  if (payload.rows === 0) throw damaged('it has no rows');
  for (const wanted of signature.inputs) {
    const tensor = payload.tensors.find((candidate) => candidate.name === wanted.name);
    if (tensor === undefined) throw mismatch(`input ${wanted.name} is missing`);
    const shapeFits =
      tensor.shape.length === wanted.shape.length &&
      wanted.shape.every((dim, axis) => dim === null || dim === tensor.shape[axis]);
    if (tensor.type !== wanted.type || !shapeFits || Boolean(tensor.shared) !== wanted.shared) {
      throw mismatch(
        `input ${wanted.name} is ${tensor.type}[${tensor.shape.join(',')}] a row, the model takes ` +
          `${wanted.type}[${wanted.shape.map((dim) => dim ?? '?').join(',')}]`,
      );
    }
    const fault = faultOfBytes(tensor, payload.rows);
    if (fault !== undefined) throw damaged(fault);
  }
  if (payload.tensors.length !== signature.inputs.length)
    throw mismatch('it has inputs the model does not take');
  const unknown = payload.wanted?.find((name) => makingOf(name, signature) === undefined);
  if (unknown !== undefined) throw mismatch(`it asks for ${unknown}, which is not an output of it`);
  const bytes = spec.resultTtl === 0 ? 0 : leastResultBytes(signature, payload);
  const limit = resultLimit?.(bytes);
  if (limit !== undefined) checkResultSize(bytes, limit);
  return { job, payload };
}

/** Other BullMQ code adds jobs that do not. */
function namesModel(job: TakenJob): job is RunnableJob {
  return job.spec.model !== undefined;
}

/** How an input contradicts its own shape; submitters never send such an input. */
function faultOfBytes({ name, type, shape, shared, data }: RowTensor, rows: number): string | undefined {
  const elements = elementCount(shape) * (shared ? 1 : rows);
  if (type === 'string')
    return hasStrings(data, elements) ? undefined : `the strings of ${name} are incomplete`;
  const bytes = elements * ELEMENT_BYTES[type];
  return data.byteLength === bytes
    ? undefined
    : `${name} has ${data.byteLength} bytes, its shape needs ${bytes}`;
}

function mismatch(why: string): InferError {
  return new InferError('INPUT_MISMATCH', `the input does not fit the model: ${why}`, {
    hint: 'the model may have changed since it was submitted: infer models',
  });
}
