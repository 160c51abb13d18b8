import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const FLOAT = 1;
const IR_VERSION = 8;
const OPSET = 13;

/** @param {number} value @returns {Buffer} */
function varint(value) {
  const bytes = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** @param {number} field @param {number} value */
const int = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
/** @param {number} field @param {(Buffer | string)[]} parts */
const block = (field, ...parts) => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([varint((field << 3) | 2), varint(body.length), body]);
};

/** ValueInfoProto: a float32 tensor; a string is an open dimension. @param {string} name @param {(number | string)[]} dims */
function value(name, dims) {
  const shape = dims.map((dim) => block(1, typeof dim === 'number' ? int(1, dim) : block(2, dim)));
  return Buffer.concat([block(1, name), block(2, block(1, int(1, FLOAT), block(2, ...shape)))]);
}

/**
 * Writes `<models>/<name>/1/model.onnx`: the mean of each channel of an image, `image` float32 [N, ...shape]
 * to `mean` [N, channels, 1, 1]. It reads its input once and does nothing else, so carrying the input is
 * what is measured.
 * @param {string} models @param {string} name @param {[number, ...(number | string)[]]} shape channels, height, width; a name is an open dimension
 */
export function writePoolModel(models, name, shape) {
  const mean = value('mean', ['N', shape[0], 1, 1]);
  return writeNode(models, name, 'GlobalAveragePool', value('image', ['N', ...shape]), mean);
}

/**
 * Writes a model whose result is as large as its input: `x` to `y`, the softmax of the last axis, float32
 * [N, ...shape].
 * @param {string} models @param {string} name @param {number[]} shape
 */
export function writeSoftmaxModel(models, name, shape) {
  return writeNode(models, name, 'Softmax', value('x', ['N', ...shape]), value('y', ['N', ...shape]));
}

/** @param {string} models @param {string} name @param {string} op @param {Buffer} input @param {Buffer} output */
function writeNode(models, name, op, input, output) {
  const nameOf = (/** @type {Buffer} */ one) => one.subarray(2, 2 + (one[1] ?? 0));
  const node = block(1, block(1, nameOf(input)), block(2, nameOf(output)), block(4, op));
  const graph = block(7, node, block(2, name), block(11, input), block(12, output));
  const file = join(models, name, '1', 'model.onnx');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, Buffer.concat([int(1, IR_VERSION), graph, block(8, block(1, ''), int(2, OPSET))]));
  return file;
}
