import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { doubler, openRows, poison, slow, stringEcho, writeModel } from '../support/onnx-builder.js';

/** Models of the main worker; `wide` takes rows of any width. */
export const MODELS = ['digits', 'echo', 'shout', 'poison', 'wide', 'slow'] as const;
/** The model of the other worker, whose handler exits its process on request. */
export const FRAGILE = 'fragile';
export const FRAGILE_QUEUE = 'fragile';

const SHOUT = `
export const preprocess = (row) => ({ x: [row.text.length, 0, 0, 0] });
export const postprocess = (outputs, { model }) => ({ model, length: (outputs.y.data[0] - 1) / 2 });
`;

/** Fails at random, so a retry may succeed. */
const CRASHING = `
export const preprocess = ({ x, crash }) => {
  if (crash && Math.random() < 0.7) process.exit(7);
  return { x: [x, 0, 0, 0] };
};
`;

/** Writes all models below `dir`. */
export function writeModels(root: string, dir: string): void {
  cpSync(join(root, 'models/digits'), join(dir, 'digits'), { recursive: true });
  writeModel(dir, 'echo', stringEcho());
  writeModel(dir, 'poison', poison());
  writeModel(dir, 'wide', openRows());
  writeModel(dir, 'slow', slow());
  const handler = (source: string) => ({ files: { 'handler.mjs': source } });
  writeModel(dir, 'shout', doubler(), { handler: './handler.mjs' }, handler(SHOUT));
  writeModel(dir, FRAGILE, doubler(), { handler: './handler.mjs' }, handler(CRASHING));
}
