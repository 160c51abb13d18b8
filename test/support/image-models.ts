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
