import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { parse, print, visit, type ASTNode } from 'graphql';
import { createDocuments, type PreparedDocument } from '../../src/pipeline/documents';
import { createSlimmer } from '../../src/pipeline/slim-document';
import { Writer } from '../execution/documents';
import { createSchema } from '../execution/schema';
import { documentOf, options, run, schema } from './documents/run';
import type { Weight } from './documents/weigh';

test('a document takes no more memory than it is weighed with', async () => {
  const script = join(__dirname, 'documents', 'weigh.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    '--no-opt',
    '--no-maglev',
    '--no-flush-bytecode',
    '--require',
    join(__dirname, '../../node_modules/tsx/dist/cjs/index.cjs'),
    script,
  ]);
  const weights = Object.entries(JSON.parse(stdout) as Record<string, Weight>);
  expect(weights).toHaveLength(6);
  // What is measured is no more exact than this.
  const wrong = weights.filter(([, { taken, weighed }]) => taken > weighed * 1.15 || taken < weighed / 2.5);
  expect(wrong).toEqual([]);
}, 60_000);

describe('the cache of documents', () => {
  test('has room for 10,000 ordinary ones that were run, and for no more than 48 MB', async () => {
    const documents = createDocuments(schema, options);
    const { weighed } = await run(documents, documentOf(9_999));
    // They fill it as well as many small ones, and sooner.
    const long = '\u2026'.repeat(30_000);
    const prepare = (index: number): PreparedDocument => documents.prepare(`{ user(id: "${index}${long}") { id } }`);
    const [first, second] = [prepare(0), prepare(1)];
    let index = 2;
    for (; (index + 1) * first.weighed < 10_000 * weighed; index++) prepare(index);
    expect(prepare(0) === first).toBe(true);
    for (; index * first.weighed < 48 * 1024 * 1024; index++) prepare(index);
    expect(prepare(1) === second).toBe(false);
  }, 60_000);

  test('finds one among many long ones of the same length as fast as alone', () => {
    const documents = createDocuments(schema, options);
    const long = (tail: string): string => `{ gateway { name } } #${'x'.repeat(17_000)}${tail}`;
    const tails = Array.from({ length: 1_000 }, (_, index) => String(index).padStart(4, '0'));
    for (const tail of [...tails, 'alone']) documents.prepare(long(tail));
    /** Ms that it takes to find documents, each as it comes from the wire. */
    const timeOf = (each: readonly string[]): number => {
      const received = each.map((tail) => Buffer.from(long(tail)).toString());
      const begin = performance.now();
      for (const source of received) documents.prepare(source);
      return performance.now() - begin;
    };
    const alone = timeOf(tails.map(() => 'alone'));
    expect(timeOf(tails)).toBeLessThan(20 * alone);
  });

  test('tells long ones from texts that are the same in UTF-8, and from what they are found by', () => {
    const documents = createDocuments(schema, options);
    const long = (id: string): string => `{ user(id: "${id}") { id } } #${'x'.repeat(17_000)}`;
    const source = long('\ufffd');
    expect(documents.prepare(source) === documents.prepare(source)).toBe(true);
    expect(() => documents.prepare(long('\ud800'))).toThrow(/^Syntax Error/);
    expect(() => documents.prepare(hash('sha256', source, 'base64url'))).toThrow(/^Syntax Error/);
  });

  test('holds invalid ones, with what is wrong', () => {
    const documents = createDocuments(schema, options);
    const source = '{\n  user(id: "a") { telephone }\n}';
    const prepared = documents.prepare(source);
    expect(prepared.errors).toMatchObject([
      { message: 'Cannot query field "telephone" on type "User".', locations: [{ line: 2, column: 19 }] },
    ]);
    expect(documents.prepare(source) === prepared).toBe(true);
  });

  test('weighs a document anew when more of it was compiled', async () => {
    const documents = createDocuments(schema, options);
    const source = 'query ($id: ID!, $all: Boolean!) { user(id: $id) { id email @include(if: $all) } }';
    const prepared = documents.prepare(source);
    const weights: number[] = [prepared.weighed];
    for (const all of [true, true, false, true]) weights.push((await run(documents, source, { all })).weighed);
    expect(weights.map((weight, index) => Math.sign(weight - (weights[index - 1] ?? 0)))).toEqual([1, 1, 0, 1, 0]);
    expect(documents.prepare(source) === prepared).toBe(true);
  });
});

describe('a slim document', () => {
  const slim = createSlimmer(createSchema());

  test('is the same document', () => {
    fc.assert(
      fc.property(fc.gen(), (draw) => {
        const parsed = parse(new Writer(draw).document('query'));
        expect(print(slim(parsed).document)).toBe(print(parsed));
      }),
    );
  });

  test('has the places that errors are located at', () => {
    const places = (document: ASTNode): unknown[] => {
      const found: unknown[] = [];
      const note = ({ kind, loc }: ASTNode): void => void found.push([kind, loc?.start, loc?.end, loc?.source.body]);
      visit(document, { Field: note, VariableDefinition: note, Variable: note, ListValue: note, EnumValue: note });
      return found;
    };
    fc.assert(
      fc.property(fc.gen(), (draw) => {
        const parsed = parse(new Writer(draw).document('query'));
        expect(places(slim(parsed).document)).toEqual(places(parsed));
      }),
    );
  });
});
