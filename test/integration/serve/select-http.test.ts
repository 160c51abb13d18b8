import { beforeAll, describe, expect, it } from 'vitest';
import { InferHttp } from '../../../src/lib/http.js';
import { useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { useGateway, useModels } from './gateway-kit.js';

/** Chosen outputs over HTTP; `doubler` gives y = 2x + 1 of four numbers. */
const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });

beforeAll(async () => {
  await infer.worker(['--models', models.dir, '-Q', 'realtime,batch']);
});

const WAIT = { prefer: 'wait=20' };

describe('outputs chosen over HTTP', () => {
  it('are fields of a document, and of the query of a stream', async () => {
    const input = [3, 1, 4, 1];
    const ask = async (wish: object) =>
      (await gateway.ask('POST', '/v1/jobs', { json: { model: 'doubler', input, ...wish }, headers: WAIT }))
        .body;
    expect((await ask({ topK: 2 })).result).toEqual({ y_scores: [9, 7], y_indexes: [2, 0] });
    expect((await ask({ topK: { y: 1 } })).result).toEqual({ y_scores: [9], y_indexes: [2] });
    expect((await ask({ argmax: ['y'] })).result).toEqual({ y_argmax: 2 });
    const rows = {
      body: '[0,5,0,0]\n[0,0,0,7]\n',
      headers: { 'content-type': 'application/x-ndjson', ...WAIT },
    };
    const group = await gateway.ask('POST', '/v1/jobs?model=doubler&outputs=y&topK=y=1', rows);
    const result = await gateway.ask('GET', `/v1/jobs/${group.body.id}/result?wait=20s`);
    expect(result.body).toEqual([
      { y_scores: [11], y_indexes: [1] },
      { y_scores: [15], y_indexes: [3] },
    ]);
  });

  it.each([
    [{ outputs: ['x'] }, 400, 'OUTPUT_UNKNOWN'],
    [{ argmax: 'y', topK: { y: 1 } }, 400, 'OUTPUT_SELECTION'],
    [{ topK: 0 }, 400, 'PARAMETER'],
    [{ outputs: [] }, 400, 'PARAMETER'],
  ])('that do not fit are refused: %j', async (wish, status, code) => {
    const json = { model: 'doubler', input: [1, 2, 3, 4], ...wish };
    expect(await gateway.ask('POST', '/v1/jobs', { json })).toMatchObject({ status, body: { code } });
  });

  it('are options of InferHttp', async () => {
    const http = new InferHttp({ url: gateway.url });
    const { result } = await http.run([3, 1, 4, 1], { model: 'doubler', topK: { y: 1 } });
    expect(result).toEqual({ y_scores: [9], y_indexes: [2] });
    const group = await http.submitRows([[3, 1, 4, 1]].values(), { model: 'doubler', argmax: ['y'] });
    for await (const { value } of group.results()) expect(value).toEqual({ y_argmax: 2 });
  });

  it("are all that Triton's classification stores", async () => {
    const json = {
      inputs: [{ name: 'x', shape: [2, 4], datatype: 'FP32', data: [3, 1, 4, 1, 0, 9, 0, 0] }],
      outputs: [{ name: 'y', parameters: { classification: 2 } }],
    };
    const { body } = await gateway.ask('POST', '/v2/models/doubler/infer', { json });
    expect(body.outputs).toEqual([
      { name: 'y', datatype: 'BYTES', shape: [2, 2], data: ['9:2', '7:0', '19:1', '1:0'] },
    ]);
  });
});
