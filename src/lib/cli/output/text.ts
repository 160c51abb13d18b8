import { Stream } from 'node:stream';
import { styleText } from 'node:util';
import { count } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import type { WritableTo } from '../../output/write-to.js';

export type Format = Parameters<typeof styleText>[0];

/** Gives text a style, or returns it unchanged if colour is off. */
export type Paint = (format: Format, text: string) => string;

export const plain: Paint = (_format, text) => text;

/** The part of a stream that the terminal code needs; `process.stdout` and `process.stderr` fit. */
export interface OutputStream extends WritableTo {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/**
 * Colour for one stream: only on a terminal that supports it, and with neither NO_COLOR nor `--no-color`.
 * `styleText` decides for each stream separately, so `2>log` does not colour the log.
 */
export function painter(stream: OutputStream, color: boolean): Paint {
  // styleText throws for anything that is not a stream, such as a collector of lines.
  if (!color || !(stream instanceof Stream)) return plain;
  const target = stream as unknown as NodeJS.WritableStream;
  const one = (text: string, format: Extract<Format, string>) =>
    styleText(format, text, { stream: target, validateStream: true });
  // One by one: given a list, Node 20's styleText does not check the stream.
  return (format, text) =>
    text === '' ? '' : [format].flat().reduce((out, each) => one(out, each as never), text);
}

/** Columns of a terminal; 0 and unknown (a pty without a size, a pipe) mean no limit. */
export function widthOf(stream: OutputStream): number {
  const columns = stream.isTTY === true ? stream.columns : undefined;
  return columns !== undefined && columns > 0 ? columns : Number.POSITIVE_INFINITY;
}

/** How a view may draw: created by the base command for standard output. */
export interface Layout {
  /** Borders and aligned columns; false gives tabs only. */
  readonly tty: boolean;
  readonly width: number;
  readonly paint: Paint;
}

export function layoutOf(stream: OutputStream, color: boolean): Layout {
  return { tty: stream.isTTY === true, width: widthOf(stream), paint: painter(stream, color) };
}

export function heading(text: string, paint: Paint): string {
  return paint('bold', printable(text));
}

/** The hint that follows a success: `Next: infer result j01 --wait`. */
export function nextCommand(command: string, paint: Paint): string {
  return `${paint('dim', 'Next:')} ${paint('cyan', printable(command))}`;
}

/** `0.3/s`, `1,200/s`; a dash when unknown. */
export function perSecond(rate: number | null): string {
  if (rate === null) return '-';
  return `${rate >= 10 ? count(rate) : Number(rate.toFixed(rate < 0.1 ? 3 : 1))}/s`;
}

/** `Name   value` lines, names padded to the longest; values must be safe to print. */
export function facts(rows: readonly (readonly [string, string])[], paint: Paint): string[] {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${paint('dim', name.padEnd(width))}  ${value}`);
}
