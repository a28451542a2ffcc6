import {
  GraphQLError,
  NoSchemaIntrospectionCustomRule,
  parse,
  specifiedRules,
  validate,
  type DocumentNode,
  type GraphQLSchema,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import { GatewayError } from '../errors';
import { withoutSuggestions } from './errors';
import { planDocument, type OperationPlan } from './plan';

/** A document as it was found when it was first seen. */
export interface PreparedDocument {
  readonly document: DocumentNode;
  /** What validation found; the document runs only where there is nothing. */
  readonly errors: readonly GraphQLError[];
  readonly plans: readonly OperationPlan[];
}

/** Prepares documents, each once. */
export type PrepareDocument = (source: string) => PreparedDocument;

export interface DocumentOptions {
  /** Whether clients may learn the schema: by introspection, and from the names that errors suggest. */
  readonly introspection: boolean;
}

/** Bytes of a document, as UTF-16 code units. */
const maxDocumentSize = 32 * 1024;
const maxTokens = 4_000;
/** Code units of all documents that are kept. A parsed document takes about forty times its text. */
const cacheSize = 1024 * 1024;

/**
 * @throws from the function it gives: GraphQLError for a syntax error, GatewayError OPERATION_TOO_COMPLEX for a document over
 * a limit
 */
export function createPrepareDocument(schema: GraphQLSchema, options: DocumentOptions): PrepareDocument {
  const rules = options.introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule];
  const cache = new LRUCache<string, PreparedDocument>({
    maxSize: cacheSize,
    // Even the shortest document takes some room.
    sizeCalculation: (_, source) => source.length + 256,
  });
  return (source) => {
    const known = cache.get(source);
    if (known) return known;
    if (source.length > maxDocumentSize) {
      throw new GatewayError('OPERATION_TOO_COMPLEX', `A document may have at most ${maxDocumentSize} characters.`);
    }
    const document = parseDocument(source);
    const found = validate(schema, document, rules, { maxErrors: 10 });
    const errors = options.introspection ? found : found.map(withoutSuggestions);
    const prepared = { document, errors, plans: errors.length === 0 ? planDocument(schema, document) : [] };
    cache.set(source, prepared);
    return prepared;
  };
}

function parseDocument(source: string): DocumentNode {
  try {
    return parse(source, { maxTokens });
  } catch (error) {
    if (error instanceof GraphQLError && error.message.includes(`more that ${maxTokens} tokens`)) {
      throw new GatewayError('OPERATION_TOO_COMPLEX', `A document may have at most ${maxTokens} tokens.`);
    }
    throw error;
  }
}
