import pino from 'pino';
import { bindingsText, metadata, streamOf } from '../../src/internals/pino';

function collecting() {
  const lines: string[] = [];
  return { lines, write: (line: string) => void lines.push(line) };
}

const options = {
  base: { service: 'a "b"' },
  timestamp: () => ',"time":1',
  formatters: { level: (level: string) => ({ level }) },
};

test('streamOf is where a logger writes, and so do its children', () => {
  const stream = collecting();
  const log = pino(options, stream);
  expect(streamOf(log)).toBe(stream);
  const child = log.child({ more: 1 });
  streamOf(child).write('by hand\n');
  log.info('by pino');
  expect(stream.lines).toEqual(['by hand\n', expect.stringContaining('"msg":"by pino"')]);
});

test('bindingsText goes into a line as pino puts it there', () => {
  const stream = collecting();
  const log = pino(options, stream);
  const child = log.child({ requestId: 'r\n1', nested: { deep: [1] } });
  for (const each of [log, child]) {
    each.info('hello');
    expect(stream.lines.at(-1)).toBe(`{"level":"info","time":1${bindingsText(each)},"msg":"hello"}\n`);
  }
});

describe('metadata', () => {
  test('makes pino tell the level of each line before it is written', () => {
    const levels: number[] = [];
    const stream = { [metadata]: true, lastLevel: 0, write: () => void levels.push(stream.lastLevel) };
    const log = pino(options, stream);
    log.warn('a');
    log.child({}).error('b');
    log.info('c');
    expect(levels).toEqual([pino.levels.values['warn'], pino.levels.values['error'], pino.levels.values['info']]);
  });

  test('is what it takes', () => {
    const stream = { lastLevel: 0, write: () => {} };
    pino(options, stream).warn('a');
    expect(stream.lastLevel).toBe(0);
  });
});
