import type { Check } from './check.js';
import { configSecrets, configValues, configVariables } from './checks/config.js';
import { queueDamage } from './checks/damage.js';
import { gpuLibraries, gpuProvider, gpuRun } from './checks/gpu-cuda.js';
import { gpuDriver } from './checks/gpu-driver.js';
import { gpuWebgpu } from './checks/gpu-webgpu.js';
import { modelsChanged } from './checks/model-files.js';
import { modelsFound, modelsRuntime } from './checks/models.js';
import { modelsBatched } from './checks/models-batched.js';
import { modelsLoad } from './checks/models-load.js';
import { queueMoving } from './checks/moving.js';
import { queueFailed, queuePaused, queueServed } from './checks/queues.js';
import { redisClock } from './checks/redis-clock.js';
import { redisData } from './checks/redis-data.js';
import { redisMemory, redisPolicy } from './checks/redis-memory.js';
import { redisPersistence } from './checks/redis-persistence.js';
import { redisReach } from './checks/redis-reach.js';
import { redisResults, resultsRedis } from './checks/redis-results.js';
import { redisRights } from './checks/redis-rights.js';
import { redisClients, redisRole, redisVersion } from './checks/redis-server.js';
import { queueLimits, queueLocks } from './checks/running.js';
import { systemDisk, systemFiles, systemMemory, systemNode } from './checks/system.js';
import { workerBeats, workerClocks, workerCores, workerVersions } from './checks/workers.js';

/** All checks, in display order. */
export const CATALOGUE: readonly Check[] = [
  redisReach,
  redisVersion,
  redisRights,
  redisRole,
  redisMemory,
  redisPolicy,
  redisPersistence,
  redisData,
  redisResults,
  redisClients,
  redisClock,
  resultsRedis,
  queueServed,
  queueMoving,
  queueDamage,
  queuePaused,
  queueLocks,
  queueLimits,
  queueFailed,
  workerBeats,
  workerVersions,
  workerClocks,
  workerCores,
  modelsFound,
  modelsRuntime,
  modelsLoad,
  modelsChanged,
  modelsBatched,
  gpuDriver,
  gpuLibraries,
  gpuProvider,
  gpuRun,
  gpuWebgpu,
  configValues,
  configVariables,
  configSecrets,
  systemNode,
  systemMemory,
  systemDisk,
  systemFiles,
];
