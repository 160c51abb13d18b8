import type { RowFailure } from './row-failure.js';
import type { TensorSignature } from './signature.js';
import type { Payload } from './tensor.js';

/** How a model's raw outputs are turned into those of its task; `signature` is then published. */
export interface TaskPlan {
  outputs: TensorSignature[];
  /**
   * The rows with an answer, in order, and why each other row has none.
   * @param most classes wanted besides the best one; ignored by other tasks
   * @param input what ran: its mask says which vectors of an embedding are of tokens
   */
  apply(raw: Payload, most?: number, input?: Payload): RunOutputs;
}

export interface RunOutputs {
  outputs: Payload;
  failed: RowFailure[];
}
