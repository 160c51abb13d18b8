import { type DataLoss, lossFix, lossText } from '../queue/data-mark.js';

/** Tells of a loss as Node.js does of what a program should know and is no error of a call: on standard error, unless it listens for warnings. */
export function warnOfLoss(loss: DataLoss): void {
  process.emitWarning(lossText(loss), {
    type: 'InferWarning',
    code: 'DATA_LOST',
    detail: lossFix(loss),
  });
}
