import { GraphQLError, Kind, parse, type DocumentNode, type FieldNode, type SelectionSetNode } from 'graphql';
import { GatewayError } from '../errors';
import type { LimitName } from '../limits';
import { documentError } from './document-error';

/** Characters of a document. */
const maxSize = 32 * 1024;
const maxTokens = 4_000;
/** Validation takes time for each operation with each fragment. */
const maxOperations = 20;
const maxFragments = 100;
/** Fields of an operation's root, as far as they are not in fragments. */
const maxRootFields = 50;
const maxAliases = 250;
/** Characters of an alias: the answer repeats it for each object. */
const longestAlias = 128;
const maxDirectives = 250;
/**
 * Pairs of fields of one response name: validation compares each with each where they may come together ("Field Selection
 * Merging", spec 5.3.2), which takes about a µs for fields that have arguments or selections, or do not merge.
 */
const maxPairs = 100_000;
/** How much less the comparison of other fields takes. */
const lightPair = 0.1;

/**
 * Parses a document that is small enough to be validated in a few ms.
 *
 * @throws GraphQLError with GRAPHQL_PARSE_FAILED as its original error for a syntax error; GatewayError OPERATION_TOO_COMPLEX
 * for a document over a limit
 */
export function parseWithinLimits(source: string): DocumentNode {
  const document = parseTokens(source);
  const counts = new Counts();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) counts.fragments += 1;
    else if (definition.kind === Kind.OPERATION_DEFINITION) {
      counts.operations += 1;
      const { length } = definition.selectionSet.selections;
      counts.rootFields = Math.max(counts.rootFields, length);
    } else continue;
    counts.directives += definition.directives?.length ?? 0;
    counts.addSelections(definition.selectionSet);
  }
  counts.check();
  return document;
}

/** @throws GatewayError OPERATION_TOO_COMPLEX where a document is too long */
export function checkSize(source: string): void {
  if (source.length > maxSize) throw tooComplex('document_size', `A document may have at most ${maxSize} characters.`);
}

/**
 * What goes through a document goes as deep into calls as the document is nested.
 *
 * @throws GatewayError OPERATION_TOO_COMPLEX where that is too deep
 */
export function withinStack<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw tooComplex('document_depth', 'The document is nested too deeply.', error);
  }
}

function parseTokens(source: string): DocumentNode {
  try {
    return parse(source, { maxTokens });
  } catch (error) {
    if (error instanceof GraphQLError && error.message.includes(`more that ${maxTokens} tokens`)) {
      throw tooComplex('document_tokens', `A document may have at most ${maxTokens} tokens.`);
    }
    throw error instanceof GraphQLError ? documentError('GRAPHQL_PARSE_FAILED', error) : error;
  }
}

/** How often a response name is there. */
interface NameCount {
  /** The field that it stands for where it is first. */
  readonly field: string;
  /** Of fields that have arguments or selections. */
  heavy: number;
  /** Of others. */
  light: number;
  /** Whether it stands for several fields, which do not merge. */
  isMixed: boolean;
}

/** How much a document has of what validation takes more than its share of time for. */
class Counts {
  operations = 0;
  fragments = 0;
  rootFields = 0;
  directives = 0;
  private aliases = 0;
  private aliasLength = 0;
  private readonly names = new Map<string, NameCount>();

  addSelections({ selections }: SelectionSetNode): void {
    for (const selection of selections) {
      this.directives += selection.directives?.length ?? 0;
      if (selection.kind === Kind.FIELD) {
        if (selection.alias) {
          this.aliases += 1;
          this.aliasLength = Math.max(this.aliasLength, selection.alias.value.length);
        }
        this.addName(selection);
      }
      if (selection.kind !== Kind.FRAGMENT_SPREAD && selection.selectionSet) this.addSelections(selection.selectionSet);
    }
  }

  private addName({ alias, name, arguments: args, selectionSet }: FieldNode): void {
    const key = (alias ?? name).value;
    const known = this.names.get(key);
    const count = known ?? { field: name.value, heavy: 0, light: 0, isMixed: false };
    if (!known) this.names.set(key, count);
    if (selectionSet || args?.length) count.heavy += 1;
    else count.light += 1;
    if (count.field !== name.value) count.isMixed = true;
  }

  private get pairs(): number {
    let pairs = 0;
    for (const { heavy, light, isMixed } of this.names.values()) {
      pairs += pairsOf(heavy) + pairsOf(light) * (isMixed ? 1 : lightPair);
    }
    return Math.round(pairs);
  }

  /** @throws GatewayError OPERATION_TOO_COMPLEX for the first limit that the document is over */
  check(): void {
    refuseOver('operations', this.operations, maxOperations, 'operations');
    refuseOver('fragments', this.fragments, maxFragments, 'fragments');
    refuseOver('root_fields', this.rootFields, maxRootFields, 'fields at the root of an operation');
    refuseOver('aliases', this.aliases, maxAliases, 'aliases');
    if (this.aliasLength > longestAlias) {
      throw tooComplex(
        'aliases',
        `The document has an alias of ${this.aliasLength} characters; one may have at most ${longestAlias}.`,
      );
    }
    refuseOver('directives', this.directives, maxDirectives, 'directives');
    refuseOver('repeated_fields', this.pairs, maxPairs, 'pairs of fields of one name');
  }
}

function pairsOf(count: number): number {
  return (count * (count - 1)) / 2;
}

function refuseOver(limit: LimitName, count: number, most: number, what: string): void {
  if (count > most) throw tooComplex(limit, `The document has ${count} ${what}; it may have at most ${most}.`);
}

function tooComplex(limit: LimitName, message: string, cause?: unknown): GatewayError {
  return new GatewayError('OPERATION_TOO_COMPLEX', message, { limit, cause });
}
