import { InferError } from '../core/errors.js';
import { toNumbers } from './elements.js';
import { ARRAYS, type NumberArray, toBytes, toElements } from './layout.js';
import { elementCount, type RowTensor } from './tensor.js';
import { type ScorePlace, type Scores, TopScores, topScore } from './top-scores.js';

/**
 * An output whose numbers along one axis are scores: what is the highest at each place, and what the k
 * highest are. Rows do not differ in shape.
 */
export class ScoredOutput {
  private readonly scores: Scores;
  /** Scores of a place. */
  private readonly count: number;
  private readonly step: number;
  private readonly placesPerRow: number;
  private readonly places: number;
  private best: Int32Array | undefined;
  private top: { kept: number; indexes: Int32Array } | undefined;

  constructor(
    private readonly source: RowTensor,
    private readonly rows: number,
    private readonly axis: number,
  ) {
    const { shape, type, data, shared } = source;
    this.count = shape[axis] ?? 0;
    this.step = elementCount(shape.slice(axis + 1));
    this.placesPerRow = elementCount(shape.slice(0, axis)) * this.step;
    this.places = this.placesPerRow * (shared ? 1 : rows);
    this.scores = toNumbers(type, data) as Scores;
  }

  /** Rows with a place that has no highest score: all NaN, or none at all. */
  *rowsWithoutBest(): Generator<number> {
    const found = this.bestIndexes();
    if (!found.includes(-1)) return;
    for (let row = 0; row < this.rows; row++) {
      const from = this.source.shared ? 0 : row * this.placesPerRow;
      if (found.subarray(from, from + this.placesPerRow).includes(-1)) yield row;
    }
  }

  /** int32 without the axis. */
  argmax(name: string): RowTensor {
    const shape = this.source.shape.filter((_, at) => at !== this.axis);
    return { ...this.form(name, shape), type: 'int32', data: toBytes(this.bestIndexes()) };
  }

  /** The k highest in the output's own type, all of them where there are fewer, best first along the axis. */
  topScores(name: string, k: number): RowTensor {
    const { type, data } = this.source;
    const elements = toElements(type, data) as NumberArray;
    const { kept, indexes } = this.highest(k);
    const found = new ARRAYS[type as keyof typeof ARRAYS](indexes.length);
    for (let place = 0; place < this.places; place++) {
      const { at, step } = this.place(place, this.count);
      const to = this.place(place, kept).at;
      for (let i = to; i < to + kept * step; i += step) {
        (found as Float32Array)[i] = elements[at + (indexes[i] as number) * step] as number;
      }
    }
    return { ...this.topForm(name, kept), type, data: toBytes(found) };
  }

  /** Where they are along the axis, int32. */
  topIndexes(name: string, k: number): RowTensor {
    const { kept, indexes } = this.highest(k);
    return { ...this.topForm(name, kept), type: 'int32', data: toBytes(indexes) };
  }

  /**
   * What they are called.
   * @param labels of all scores of a place, each encoded
   * @throws InferError RUN_FAILED if there are more or fewer scores than labels.
   */
  topLabels(name: string, k: number, labels: readonly Uint8Array[]): RowTensor {
    if (labels.length !== this.count) {
      throw new InferError(
        'RUN_FAILED',
        `output ${this.source.name} has ${this.count} classes, model.json names ${labels.length}`,
        { hint: 'correct the labels in model.json' },
      );
    }
    const { kept, indexes } = this.highest(k);
    const data = Buffer.concat(Array.from(indexes, (index) => labels[index] as Uint8Array));
    return { ...this.topForm(name, kept), type: 'string', data };
  }

  private bestIndexes(): Int32Array {
    this.best ??= Int32Array.from({ length: this.places }, (_, place) =>
      topScore(this.scores, this.place(place, this.count)),
    );
    return this.best;
  }

  private highest(k: number): { kept: number; indexes: Int32Array } {
    const kept = Math.min(k, this.count);
    if (this.top?.kept === kept) return this.top;
    const indexes = new Int32Array(this.places * kept);
    for (let place = 0; place < this.places; place++) {
      const best = new TopScores(this.scores, this.place(place, this.count), kept).look().indexes;
      const { at, step } = this.place(place, kept);
      for (let i = 0; i < kept; i++) indexes[at + i * step] = best[i] as number;
    }
    this.top = { kept, indexes };
    return this.top;
  }

  /** A place in a tensor with `count` elements along the axis. */
  private place(place: number, count: number): ScorePlace {
    const { step } = this;
    return { at: Math.floor(place / step) * count * step + (place % step), step, count };
  }

  private topForm(name: string, kept: number) {
    return this.form(
      name,
      this.source.shape.map((dim, at) => (at === this.axis ? kept : dim)),
    );
  }

  private form(name: string, shape: number[]) {
    return { name, shape, ...(this.source.shared ? { shared: true } : {}) };
  }
}
