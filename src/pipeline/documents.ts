import { hash } from 'node:crypto';
import {
  NoSchemaIntrospectionCustomRule,
  parse,
  specifiedRules,
  validate,
  type DocumentNode,
  type GraphQLError,
  type GraphQLSchema,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import { compileDocument } from '../execution/compiled-operation';
import { Memory } from '../execution/memory';
import { SchemaTraits } from '../execution/selection';
import type { Metrics } from '../telemetry/metrics';
import { documentError } from './document-error';
import { checkSize, parseWithinLimits, withinStack } from './document-limits';
import { OperationPlan } from './operation-plan';
import { withoutSuggestions } from './present';
import { createSlimmer } from './slim-document';

/** A document as it was found when it was first seen. */
export interface PreparedDocument {
  readonly source: string;
  readonly document: DocumentNode;
  /** What validation found; the document runs only where there is nothing. */
  readonly errors: readonly GraphQLError[];
  readonly plans: readonly OperationPlan[];
  /** What it takes: from the start what all of the above takes, then what is compiled as it runs. */
  readonly memory: Memory;
  /** Bytes that it is kept for. */
  weighed: number;
}

/** Prepares documents, each once. */
export interface Documents {
  /**
   * @throws GraphQLError with GRAPHQL_PARSE_FAILED as its original error for a syntax error; GatewayError
   * OPERATION_TOO_COMPLEX for a document over a limit
   */
  prepare(source: string): PreparedDocument;
  /** To be called when a document has run: it may take more than before. */
  ran(prepared: PreparedDocument): void;
}

export interface DocumentOptions {
  /** Whether clients may learn the schema: by introspection, and from the names that errors suggest. */
  readonly introspection: boolean;
  readonly metrics: Pick<Metrics, 'documentCache' | 'documentCacheBytes'>;
}

/**
 * Bytes of all documents that are kept. Enough for 10,000 of about 100 characters, which take 5 KB each; a gateway under
 * 160 MB has this to spare. Where clients send more different documents than this, each costs its parsing and validation
 * every time, and no more memory.
 */
const cacheSize = 48 * 1024 * 1024;

/** Characters of a text that V8 still makes a hash of: in its maps longer ones are told apart by their length alone. */
const longestHashed = 16_383;

/** Bytes of a document beside its nodes, and of each operation before it has run: measured, and rounded up. */
const documentSize = 400;
const operationSize = 700;

/** In place of what is not valid, and so is not run. */
const nothing = parse('{ __typename }', { noLocation: true });

/** Bytes of an error of validation beside its text: measured, and rounded up. */
const errorSize = 500;

export function createDocuments(schema: GraphQLSchema, options: DocumentOptions): Documents {
  const rules = options.introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule];
  const traits = new SchemaTraits(schema);
  const slim = createSlimmer(schema);
  const cache = new LRUCache<string, PreparedDocument>({
    maxSize: cacheSize,
    sizeCalculation: (prepared) => prepared.weighed,
  });
  const hits = options.metrics.documentCache.series({ result: 'hit' });
  const misses = options.metrics.documentCache.series({ result: 'miss' });
  options.metrics.documentCacheBytes.read({}, () => cache.calculatedSize);

  function keep(prepared: PreparedDocument): void {
    prepared.weighed = prepared.memory.bytes;
    // The size of an entry is asked for when it is new.
    const key = keyOf(prepared.source);
    cache.delete(key);
    cache.set(key, prepared);
  }

  function make(source: string): PreparedDocument {
    const parsed = parseWithinLimits(source);
    const found = validate(schema, parsed, rules, { maxErrors: 10 });
    const errors = found.map((error) =>
      documentError('GRAPHQL_VALIDATION_FAILED', options.introspection ? error : withoutSuggestions(error)),
    );
    const memory = new Memory();
    memory.bytes = documentSize + textSize(source);
    for (const { message } of errors) memory.bytes += errorSize + textSize(message);
    if (errors.length > 0) return { source, document: nothing, errors, plans: [], memory, weighed: 0 };
    const { document, size } = slim(parsed);
    memory.bytes += size + operationSize * document.definitions.length;
    const plans = compileDocument(traits, document, memory).map((operation) => new OperationPlan(operation, memory));
    return { source, document, errors, plans, memory, weighed: 0 };
  }

  return {
    prepare(source) {
      checkSize(source);
      const known = cache.get(keyOf(source));
      const isHit = known?.source === source;
      (isHit ? hits : misses).inc();
      if (isHit) return known;
      const prepared = withinStack(() => make(source));
      keep(prepared);
      return prepared;
    },

    ran(prepared) {
      if (prepared.weighed !== prepared.memory.bytes && cache.peek(keyOf(prepared.source)) === prepared) keep(prepared);
    },
  };
}

/** What a document is found by; other texts by the same: the digest itself, and those that differ in lone surrogates. */
function keyOf(source: string): string {
  return source.length > longestHashed ? hash('sha256', source, 'base64url') : source;
}

/** Bytes of a text: one for each character, two where one of them is not in Latin-1. */
function textSize(text: string): number {
  // oxlint-disable-next-line no-control-regex
  return /^[\0-\xff]*$/.test(text) ? text.length : 2 * text.length;
}
