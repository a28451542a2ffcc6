import { ownResolverNames } from '../contract/built-ins';
import type { ContractOptions } from '../contract/contract';

function notCalled(): never {
  throw new Error('a contract that is only checked calls nothing');
}

/** Options for a contract that is checked and never served. */
export const unserved: ContractOptions = {
  upstream: notCalled,
  resolvers: Object.fromEntries(ownResolverNames.map((name) => [name, notCalled])),
};
