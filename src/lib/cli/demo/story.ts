import { type Digits, readDigits } from '../../bench/demo-digits.js';
import { accuracyOf, type DemoJson, latencyOf } from '../../bench/demo-figures.js';
import { ask, askAlone, askDuringBatch, look, MODEL, submitBatch } from '../../bench/demo-play.js';
import type { Stage } from '../../bench/stage.js';
import { count } from '../../core/counts.js';
import { formatDuration } from '../../core/units.js';
import { withRowsBar } from '../group-progress.js';
import { ProgressBar, type ProgressTarget } from '../output/progress.js';
import type { Layout } from '../output/text.js';
import { digitView } from '../views/demo-view.js';
import { queueTable, workerTable } from '../views/inspect-view.js';

/** Where the demo prints. */
export interface Teller {
  rows: number;
  signal: AbortSignal;
  progress: ProgressTarget;
  layout: Layout;
  /** Prints a line about what happens now, for the user watching. */
  step(text: string): void;
  /** Shows output. */
  show(lines: string[]): Promise<void>;
}

const ASKED_ALONE = 50;

/** The demo from the first line to the figures; afterwards `stage` is still running and has to be closed. */
export async function tell(stage: Stage, teller: Teller): Promise<Omit<DemoJson, 'kept'>> {
  const client = await stage.openRedis();
  teller.signal.throwIfAborted();
  teller.step(
    stage.isPrivate
      ? 'Redis: a private one, started for this demo'
      : `Redis: ${client.target.label}, keys under ${stage.prefix}`,
  );
  const began = Date.now();
  const args = ['-Q', 'realtime,batch', '--model', MODEL, '--name', 'demo'];
  const worker = await stage.openWorker(args, teller.signal);
  const took = formatDuration(Date.now() - began);
  teller.step(`Worker: up in ${took}, model ${MODEL} loaded once, on ${worker.device}`);
  return stage.whileWorkerLives(work(stage, worker.device, readDigits(), teller));
}

async function work(
  stage: Stage,
  device: string,
  digits: Digits,
  teller: Teller,
): Promise<Omit<DemoJson, 'kept'>> {
  const { client, isPrivate } = stage;
  const { layout, signal } = teller;
  const signature = await client.signatures.find(MODEL);

  const [pixels, label] = [digits.pixels[0] as number[], digits.labels[0] as number];
  const { result } = await ask(client, pixels, signal);
  teller.step('One handwritten digit, 8x8 pixels, priority 9:');
  await teller.show(['', ...digitView(pixels, label, result, layout.paint), '']);
  const alone = await askAlone(client, digits, ASKED_ALONE, signal);

  const rounds = Math.ceil(teller.rows / digits.labels.length);
  const total = rounds * digits.labels.length;
  const bar = new ProgressBar(teller.progress, { label: 'submitting', unit: 'rows', total });
  const sending = submitBatch(client, digits, rounds, signature, { signal, onRows: (more) => bar.add(more) });
  const submitted = await sending.finally(() => bar.finish());
  const { rows, jobs, group } = submitted;
  const moment = await look(client, stage.prefix);
  teller.step(
    `Batch: ${count(rows)} digits queued as ${count(jobs)} jobs of priority 0. infer inspect shows:`,
  );
  const tables = [...queueTable(moment.queues, layout), ...workerTable(moment.workers, layout, moment.at)];
  await teller.show(['', ...tables, '']);
  teller.step('Meanwhile single digits of priority 9 go in, one after the other ...');
  const { ended, samples } = await withRowsBar(teller.progress, (onProgress) =>
    askDuringBatch(client, digits, group, { signal, onProgress }),
  );
  const seconds = ((ended.finishedAt ?? Date.now()) - ended.submittedAt) / 1000;
  teller.step(`Batch: done. Holding every result against its label ...`);
  return {
    model: MODEL,
    device,
    redis: { label: client.target.label, private: isPrivate },
    batch: { group, rows, jobs, seconds, rowsPerSecond: Math.round(ended.rowsDone / seconds) },
    accuracy: await accuracyOf(client.groupChunks(ended), digits.labels),
    latency: { alone: latencyOf(alone), besideBatch: latencyOf(samples) },
  };
}
