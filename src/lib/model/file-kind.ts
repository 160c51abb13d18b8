import { closeSync, openSync, readSync } from 'node:fs';

/** A file that is not a model although it was expected to be: what it is, and what to do. */
export interface Mistaken {
  is: string;
  fix: string;
}

interface Sign extends Mistaken {
  matches(head: Buffer, text: string): boolean;
}

const HEAD_BYTES = 512;
const EXPORT = 'export it to ONNX first (torch.onnx.export, tf2onnx, skl2onnx, optimum-cli export onnx)';

const starts =
  (...bytes: number[]) =>
  (head: Buffer): boolean =>
    bytes.every((byte, at) => head[at] === byte);

/** Most specific first. */
const SIGNS: readonly Sign[] = [
  {
    is: 'a Git LFS pointer, not the file itself',
    fix: 'in its repository: git lfs install && git lfs pull; then copy it again',
    matches: (_, text) => text.startsWith('version https://git-lfs.github.com/spec/'),
  },
  {
    is: 'an HTML page: the download brought a web page instead of the file',
    fix: 'download the raw file (on Hugging Face the address has /resolve/ and not /blob/; curl needs -L), logged in where that is asked for',
    matches: (_, text) => /^\s*(?:<!--[\s\S]*?-->\s*)?<(?:!doctype|html|head|body)\b/i.test(text),
  },
  {
    is: 'an XML document, such as the error message of an object store',
    fix: 'see what it says, and download the file again',
    matches: (_, text) => /^\s*<\?xml\b|^\s*<Error>/i.test(text),
  },
  { is: 'a PyTorch or other zip archive', fix: EXPORT, matches: starts(0x50, 0x4b, 3, 4) },
  {
    is: 'a Python pickle',
    fix: EXPORT,
    matches: (head) =>
      head[0] === 0x80 &&
      head[1] !== undefined &&
      head[1] >= 2 &&
      head[1] <= 5 &&
      head.includes(Buffer.from('c')),
  },
  { is: 'an HDF5 file (Keras)', fix: EXPORT, matches: starts(0x89, 0x48, 0x44, 0x46) },
  {
    is: 'a TensorFlow Lite model',
    fix: EXPORT,
    matches: (head) => head.subarray(4, 8).toString('latin1') === 'TFL3',
  },
  {
    is: 'a GGUF model',
    fix: 'ONNX Runtime cannot run it; look for an ONNX export of the model',
    matches: (_, text) => text.startsWith('GGUF'),
  },
  { is: 'a gzip archive', fix: 'unpack it: gunzip or tar -xzf', matches: starts(0x1f, 0x8b) },
  {
    is: 'a safetensors file: weights without a graph',
    fix: EXPORT,
    matches: (head) => head.subarray(4, 9).toString('latin1') === '\0\0\0\0{',
  },
  {
    is: 'JSON text',
    fix: 'see what it says: downloads that fail may leave an error message as JSON',
    matches: (_, text) => /^\s*[{[]\s*["{[\]}]/.test(text),
  },
];

/**
 * The file's type by its first bytes, if it certainly is neither an ONNX model nor weights. @throws when it
 * cannot be read.
 */
export function mistakenFor(file: string): Mistaken | undefined {
  const head = headOf(file);
  if (head.length === 0)
    return {
      is: 'empty',
      fix: 'copy or download it again: its transfer did not begin, or the disk was full',
    };
  const text = head.toString('utf8');
  const sign = SIGNS.find((one) => one.matches(head, text));
  return sign === undefined ? undefined : { is: sign.is, fix: sign.fix };
}

function headOf(file: string): Buffer {
  const fd = openSync(file, 'r');
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, 0));
  } finally {
    closeSync(fd);
  }
}
