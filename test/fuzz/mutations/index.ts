import type { Random } from '../../chaos/random.js';
import type { Draft, Mutated, Mutation } from '../draft.js';
import { ADDRESS_MUTATIONS } from './address.js';
import { BODY_MUTATIONS } from './body.js';
import { FRAMING_MUTATIONS } from './framing.js';
import { headerMutations } from './headers.js';
import { DOCUMENT_MUTATIONS, TEXT_MUTATIONS } from './json.js';
import { TENSOR_MUTATIONS } from './tensors.js';

/** All kinds of faults. @param weakToken a token that may only read */
export function allMutations(weakToken: string): readonly Mutation[] {
  return [
    ...DOCUMENT_MUTATIONS,
    ...TEXT_MUTATIONS,
    ...BODY_MUTATIONS,
    ...TENSOR_MUTATIONS,
    ...ADDRESS_MUTATIONS,
    ...headerMutations(weakToken),
    ...FRAMING_MUTATIONS,
  ];
}

/** A request with exactly one fault of those that fit it. */
export function mutate(
  mutations: readonly Mutation[],
  draft: Draft,
  random: Random,
): Mutated & { mutation: string } {
  const mutation = random.pick(mutations.filter(({ fits }) => fits(draft)));
  return { mutation: mutation.name, ...mutation.apply(draft, random) };
}
