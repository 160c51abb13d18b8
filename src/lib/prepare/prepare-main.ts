import { Socket } from 'node:net';
import { InferError } from '../core/errors.js';
import { Turns } from '../core/turns.js';
import { type Frame, FrameReader, writeFrame } from '../model/frames.js';
import type { RowTensor } from '../model/tensor.js';
import { packPayloads, toWireError, toWireFailures, unpackPayload } from '../model/wire.js';
import { prepareRows } from './prepare-rows.js';
import { type PrepareReply, type PrepareRequest, READY } from './wire.js';

/**
 * The process that prepares rows: it decodes what strangers sent, with native code, and may crash at any row. Frames are
 * exchanged on fd 3; when it closes, the worker has exited and this process exits too. As for a runner, the worker decides
 * what a signal means.
 */
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.title = 'infer-prepare';

const pipe = new Socket({ fd: 3, readable: true, writable: true });
const turns = new Turns();
// Before the first request is read: what ends the process from now on is a row.
void writeFrame(pipe, { id: READY }).catch(() => process.exit(0));
const reader = new FrameReader((frame) => void turns.take(() => answer(frame)));
pipe.on('data', (chunk: Buffer) => reader.push(chunk));
for (const event of ['error', 'end', 'close']) pipe.on(event, () => process.exit(0));

async function answer({ header, body }: Frame): Promise<void> {
  const request = header as unknown as PrepareRequest;
  let reply: PrepareReply;
  let parts: Uint8Array[] = [];
  try {
    const raw = unpackPayload(request, body);
    const [tensor] = raw.tensors;
    if (tensor === undefined) throw new InferError('PREPARE_FAILED', 'there is nothing to prepare');
    const prepared = await prepareRows(request.plan, tensor as RowTensor, raw.rows);
    const packed = packPayloads([{ rows: raw.rows, tensors: [prepared.tensor] }]);
    ({ parts } = packed);
    reply = { id: request.id, outputs: packed.payload, ...toWireFailures(prepared.failed) };
  } catch (error) {
    reply = { id: request.id, error: toWireError(error) };
  }
  await writeFrame(pipe, reply, parts).catch(() => process.exit(0));
}
