/**
 * What the gateway needs of graphql-js beyond its documented surface; no other file imports a path inside `graphql`.
 * test/internals/graphql.test.ts covers each.
 */

/** Which fields a selection set selects (spec 6.3.2, "CollectFields"). graphql-js exports nothing below `execute`. */
export { collectFields, collectSubfields } from 'graphql/execution/collectFields';

/**
 * Maps the events of a subscription. graphql-js exports `subscribe`, which executes each event with its own `execute`, and
 * `createSourceEventStream`, which gives the events alone.
 */
export { mapAsyncIterator } from 'graphql/execution/mapAsyncIterator';

/** How graphql-js writes a value in the message of an error. It is not exported. */
export { inspect } from 'graphql/jsutils/inspect';

/**
 * Checks SDL by some of its rules. graphql-js exports `buildASTSchema`, which applies all rules and throws the messages
 * without their places, and it exports neither KnownArgumentNamesOnDirectivesRule nor
 * ProvidedRequiredArgumentsOnDirectivesRule.
 */
export { specifiedSDLRules } from 'graphql/validation/specifiedRules';
export { validateSDL } from 'graphql/validation/validate';
