import { expect, it } from 'vitest';
import {
  auditKey,
  bullBase,
  eventsKey,
  groupKey,
  jobAuditKey,
  leaseKey,
  minutesKey,
  modelsKey,
  queuesKey,
  queueTag,
  quotaKey,
  resultKey,
  workerKey,
} from '../../../src/lib/queue/keys.js';
import { isNoted } from '../../../src/lib/up/redis-unused.js';

const tag = queueTag('infer', 'batch');
const base = bullBase('infer', 'batch');

it.each([
  ...[queuesKey, modelsKey, eventsKey].map((keyOf) => keyOf('other')),
  workerKey('infer', 'up@vm'),
  leaseKey('infer', 'GPU-1'),
  minutesKey('infer', 'queue:batch'),
  `${base}meta`,
])('a Redis that a failed start has written %s to may be stopped', (key) => {
  expect(isNoted(key)).toBe(true);
});

it.each([
  `${base}wait`,
  `${base}j1`,
  `${base}meta:x`,
  `{infer:batch}:other:meta`,
  resultKey(tag, 'j1'),
  groupKey(tag, 'g1'),
  auditKey('infer'),
  jobAuditKey('infer'),
  quotaKey('infer', 'jobs', 'ada'),
  'session:1',
])('a Redis with %s stays', (key) => {
  expect(isNoted(key)).toBe(false);
});
