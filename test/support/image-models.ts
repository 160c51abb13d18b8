import { crc32 } from 'node:zlib';
import { samplePng } from '../../src/lib/task/sample-image.js';
import type { Graph } from './onnx-builder.js';

/** The mean of each colour of an image, as the scores of three classes; height and width are open. */
export function meanColors(): Graph {
  return {
    nodes: [
      { op: 'GlobalAveragePool', inputs: ['pixel_values'], outputs: ['means'] },
      { op: 'Flatten', inputs: ['means'], outputs: ['logits'] },
    ],
    inputs: [{ name: 'pixel_values', type: 'float32', dims: ['batch', 3, 'height', 'width'] }],
    outputs: [{ name: 'logits', type: 'float32', dims: ['batch', 3] }],
  };
}

/** A small file whose header claims 1.6 billion pixels. */
export function hugePng(): Buffer {
  const file = samplePng(2, () => 0);
  file.writeUInt32BE(40_000, 16);
  file.writeUInt32BE(40_000, 20);
  file.writeUInt32BE(crc32(file.subarray(12, 29)), 29);
  return file;
}
