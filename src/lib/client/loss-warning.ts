import { type DataLoss, lossFix, lossText } from '../queue/data-mark.js';

/**
 * Reports a loss the way Node.js reports what a program should know but is not the error of a call: on standard
 * error, unless the program listens for warnings.
 */
export function warnOfLoss(loss: DataLoss): void {
  process.emitWarning(lossText(loss), {
    type: 'InferWarning',
    code: 'DATA_LOST',
    detail: lossFix(loss),
  });
}
