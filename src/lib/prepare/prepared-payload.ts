import type { Payload, RowTensor } from '../model/tensor.js';
import { tokenTensors } from '../model/token-rows.js';
import type { PreparePlan } from '../task/prepare-plan.js';

/** The raw rows of a payload. @throws Error if it has none. */
export function rawRows({ tensors }: Pick<Payload, 'tensors'>, plan: PreparePlan): RowTensor {
  const raw = tensors.find(({ name }) => name === plan.from);
  if (raw === undefined) throw new Error(`input ${plan.from} is missing`);
  return raw;
}

/** The model's inputs of rows that were prepared. */
export function preparedTensors(plan: PreparePlan, prepared: RowTensor, rows: number): RowTensor[] {
  return plan.kind === 'image' ? [prepared] : tokenTensors(plan.text, prepared, rows);
}

/** A payload as the model takes it: what was made in the place of its raw rows. */
export function preparedPayload(payload: Payload, plan: PreparePlan, made: readonly RowTensor[]): Payload {
  const { tensors, ...rest } = payload;
  return { ...rest, tensors: [...made, ...tensors.filter(({ name }) => name !== plan.from)] };
}
