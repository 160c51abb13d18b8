import { BrokerResults } from '../../../src/lib/queue/broker/result-store.js';
import { consumerConformance } from '../../support/consumer-conformance.js';
import { useRedis } from '../../support/redis.js';
import { PREFIX, QueueKit } from './queue-kit.js';

const redis = useRedis();

consumerConformance('BullConsumer', async () => {
  const kit = await QueueKit.open(redis);
  const { queue, producer, client } = kit;
  return {
    consumer: () => kit.consumer(),
    submit: (...jobs) => kit.submit(...jobs),
    cancel: (id) => producer.cancel(queue, id),
    setPaused: (paused) => producer.setPaused(queue, paused),
    record: (id) => kit.record(id),
    result: (id) => new BrokerResults(client, PREFIX).read(queue, id),
    loseLock: (id) => kit.loseLock(id),
    passTime: (ms) => kit.passTime(ms),
    close: () => kit.close(),
  };
});
