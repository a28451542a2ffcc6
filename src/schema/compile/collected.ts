import type { SchemaField } from '../resolver-context';

/** Messages of a stream that a list collects where `@grpc(max:)` does not say. */
export const mostCollected = 1000;

const mark = 'collected';

/** How many messages the field's list collects at most; undefined where its RPC answers once. */
export function collectedBy({ extensions }: Pick<SchemaField, 'extensions'>): number | undefined {
  return extensions[mark] as number | undefined;
}

/** Notes that the field's list collects a stream. */
export function markCollected(field: SchemaField, max: number): void {
  field.extensions = { ...field.extensions, [mark]: max };
}
