/** BullMQ's queue, in a module of its own: imported dynamically, a bundled CommonJS package would have no named exports. */
export { Queue } from 'bullmq';
