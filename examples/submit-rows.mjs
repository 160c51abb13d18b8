// Submits many rows from a generator, and reads their results in input order: node examples/submit-rows.mjs
import { InferClient } from 'infer-queue';

function* rows() {
  for (let row = 0; row < 1000; row++) yield Float32Array.from({ length: 64 }, (_, at) => ((row + at) % 17) / 16);
}

const infer = await InferClient.connect();
const group = await infer.submitRows(rows(), { model: 'digits' });
console.log(`${group.rows} rows in ${group.jobs} jobs`);
for await (const { row, value, error } of group.results({ timeoutMs: 60_000 })) console.log(row, value ?? error);
await infer.close();
