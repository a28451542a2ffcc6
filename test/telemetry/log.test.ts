import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLineLog, createLog, droppedLines, endLog, LogOutput, type Logger } from '../../src/telemetry/log';
import { until, type LogLine } from '../gateway-fixture';

const folder = mkdtempSync(join(tmpdir(), 'gateway-log-'));
const descriptors: number[] = [];
afterAll(() => {
  for (const fd of descriptors) closeSync(fd);
  rmSync(folder, { recursive: true });
});

let count = 0;
/** Of a file that is there and empty. */
function newFile(): string {
  const file = join(folder, `${(count += 1)}.log`);
  writeFileSync(file, '');
  return file;
}
const textOf = (file: string): string => readFileSync(file, 'utf8');
const linesOf = (file: string): LogLine[] =>
  textOf(file)
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogLine);

function logTo(file: string): Logger {
  const fd = openSync(file, 'a');
  descriptors.push(fd);
  return createLog('trace', new LogOutput(fd, () => {}));
}

test('a line is written soon, though no other follows it', async () => {
  const file = newFile();
  const log = logTo(file);
  log.info({ one: 1 }, 'alone');
  await until(
    () => linesOf(file),
    (lines) => lines.length === 1,
  );
  expect(linesOf(file)).toMatchObject([{ level: 'info', service: 'api-gateway', one: 1, msg: 'alone' }]);
  log.info('again');
  await until(
    () => linesOf(file),
    (lines) => lines.length === 2,
  );
  await endLog(log);
});

test('lines that are all alike are written as the log would write them', () => {
  const lines: string[] = [];
  const log = createLog('info', { write: (line) => void lines.push(line) }).child({ requestId: 'a "b"' });
  const write = createLineLog(log, 'a "line"');
  for (const text of ['', 'plain', 'q"uo\\te\n\u0000 €🦄', 'x'.repeat(200)]) {
    const fields = { text, number: text === '' ? NaN : -1.5, flag: false, nothing: undefined, 'odd "name"': 1e21 };
    write(fields);
    log.info(fields, 'a "line"');
    const [own, its] = lines.splice(0).map((line) => line.replace(/"time":"[\d-]+T[\d:.]+Z"/, '"time":""'));
    expect(own).toBe(its);
  }
  log.level = 'warn';
  write({ text: 'unheard', number: 0, flag: true, nothing: undefined, 'odd "name"': 0 });
  expect(lines).toEqual([]);
});

test.each(['error', 'fatal'] as const)('%s is written without waiting, with all before it', async (level) => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] });
  try {
    const file = newFile();
    const log = logTo(file);
    log.info('before');
    log.child({ requestId: 'a' })[level]('bad');
    while (!textOf(file).endsWith('\n')) await new Promise((resolve) => setImmediate(resolve));
    expect(linesOf(file).map(({ msg }) => msg)).toEqual(['before', 'bad']);
    expect(jest.getTimerCount()).toBe(0);
    log.info('after');
    expect(jest.getTimerCount()).toBe(1);
    await endLog(log);
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});

test('the end waits for every line, and keeps their order', async () => {
  const file = newFile();
  const log = logTo(file);
  for (let index = 0; index < 10_000; index += 1) log.info({ index }, 'line');
  await endLog(log);
  expect(linesOf(file).map(({ index }) => index)).toEqual(Array.from({ length: 10_000 }, (_, index) => index));
});

test('lines longer than a portion, empty ones and what is no ASCII come through whole', async () => {
  const file = newFile();
  const log = logTo(file);
  const texts = ['x'.repeat(50_000), '', 'ünï\u2028\ncode 🎈', '\ud800'];
  for (const text of texts) log.info({ text }, text);
  await endLog(log);
  expect(linesOf(file).map(({ text }) => text)).toEqual(texts.map((text) => Buffer.from(text).toString()));
});

test('a log that nothing was written to ends', async () => {
  await endLog(logTo(newFile()));
  await endLog(createLog('silent'));
});

describe.each([
  ['blocks', 0],
  ['refuses', constants.O_NONBLOCK],
])('a full pipe that %s', (_how, flag) => {
  test('holds a bounded amount; what is beyond that is counted and told once it is read again', async () => {
    const fifo = join(folder, `${flag}.fifo`);
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
    // To open it for reading too waits for nobody.
    const fd = openSync(fifo, constants.O_RDWR | flag);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const dropped: number[] = [];
    const log = createLog('info', new LogOutput(fd, (lines) => dropped.push(lines), 1_000_000));
    const text = 'x'.repeat(10_000);
    for (let index = 0; index < 500; index += 1) log.info({ text }, 'line');
    const buffer = Buffer.alloc(1024 * 1024);
    let read = '';
    await until(
      () => {
        read += buffer.toString('utf8', 0, tryToRead(reader, buffer));
        return dropped.length;
      },
      (times) => times > 0,
    );
    const whole = read.split('\n').slice(0, -1);
    for (const line of whole) expect(JSON.parse(line)).toMatchObject({ msg: 'line' });
    expect(dropped).toEqual([500 - whole.length]);
    expect(droppedLines(log)).toBe(500 - whole.length);
    expect(whole.length).toBeGreaterThan(90);
    expect(whole.length).toBeLessThan(110);
    log.info('after');
    await endLog(log);
    expect(buffer.toString('utf8', 0, tryToRead(reader, buffer))).toContain('"msg":"after"');
    closeSync(reader);
  });
});

describe('a file that cannot be written to', () => {
  test('loses lines, which are counted, and nothing else', async () => {
    const dropped: number[] = [];
    const full = openSync('/dev/full', 'w');
    descriptors.push(full);
    const log = createLog('info', new LogOutput(full, (lines) => dropped.push(lines)));
    log.info('one');
    log.error('two');
    await until(
      () => droppedLines(log),
      (lines) => lines === 2,
    );
    for (let index = 0; index < 1_000; index += 1) log.info({ text: 'x'.repeat(100) }, 'line');
    expect(await endLog(log)).toBe(true);
    expect(droppedLines(log)).toBe(1_002);
    expect(dropped).toEqual([]);
  });

  test('takes whole lines again once it can be, and is told what is missing', async () => {
    // A file may not grow beyond this; each process has its own limit, and Node none of its own.
    const file = newFile();
    const script = `
      process.on('SIGXFSZ', () => {});
      let left = 105;
      const again = setInterval(() => {
        log.error({ left }, 'line');
        if (--left === 5) {
          fs.copyFileSync(${JSON.stringify(file)}, ${JSON.stringify(`${file}.full`)});
          fs.truncateSync(${JSON.stringify(file)});
        }
        if (left === 0) { clearInterval(again); endLog(log).then(() => process.exit(0)) }
      }, 1)`;
    const [program, ...args] = [process.execPath, ...processThat(script)];
    const quoted = [program, ...args].map((each) => `'${each.replaceAll("'", "'\\''")}'`).join(' ');
    // In blocks of 512 bytes or of 1 KB.
    const ended = spawnSync('sh', ['-c', `ulimit -f 4; exec ${quoted} >> '${file}'`], { encoding: 'utf8' });
    expect({ status: ended.status, errors: ended.stderr }).toEqual({ status: 0, errors: '' });
    // What is left of the line that broke off is the end of a line.
    const [rest, ...lines] = textOf(file).trimEnd().split('\n');
    expect(rest).toBe('');
    const after = lines.map((line) => JSON.parse(line) as LogLine);
    const told = after.filter(({ msg }) => msg === 'lines of the log were dropped, since they were not taken');
    // The last line of the full file is the one that broke off.
    const before = textOf(`${file}.full`).split('\n').slice(0, -1);
    expect(told).toMatchObject([{ lines: 105 - before.length - (after.length - told.length) }]);
  });
});

test('a reader that takes nothing keeps nobody from ending', async () => {
  const script = `
    for (let i = 0; i < 2000; i++) log.info({ i, text: 'x'.repeat(100) }, 'line');
    setTimeout(() => endLog(log).then((isWritten) => process.kill(process.pid, isWritten ? 'SIGABRT' : 'SIGKILL')), 50)`;
  const child = spawn(process.execPath, processThat(script), { stdio: ['ignore', 'pipe', 'inherit'] });
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
  child.stdout.destroy();
});

/** Bytes read; 0 where there are none yet. */
function tryToRead(fd: number, into: Buffer): number {
  try {
    return readSync(fd, into);
  } catch (error) {
    expect(error).toMatchObject({ code: 'EAGAIN' });
    return 0;
  }
}

/** Arguments of node that log and end somehow. */
function processThat(script: string): string[] {
  const own = (...path: string[]): string => join(__dirname, '../..', ...path);
  const source = `const { createLog, endLog, endLogAtOnce } = require(${JSON.stringify(own('src', 'telemetry', 'log.ts'))});
    const log = createLog('info');
    process.once('exit', () => endLogAtOnce(log));
    ${script}`;
  return ['--require', own('node_modules', 'tsx', 'dist', 'cjs', 'index.cjs'), '--eval', source];
}

describe('no line is lost', () => {
  test.each([
    ['process.exit', 'for (let i = 0; i < 100; i++) log.info({ i }, "line"); process.exit(3)', 3, 100],
    ['a throw that nobody catches', 'log.warn("line"); throw new Error("oh")', 1, 1],
    [
      'process.exit a while later',
      'log.info("line"); setTimeout(() => { log.info("line"); process.exit(0) }, 20)',
      0,
      2,
    ],
    ['the end of all there is to do', 'log.info("line")', 0, 1],
    ['the end of the log', 'log.info("line"); endLog(log).then(() => process.exit(0)); log.info("late")', 0, 1],
  ])('by %s', (_how, script, status, lines) => {
    const ended = spawnSync(process.execPath, processThat(script), { encoding: 'utf8' });
    expect(ended.status).toBe(status);
    expect(ended.stdout.split('\n').slice(0, -1)).toHaveLength(lines);
  });
});

test('a reader that has left keeps nobody from ending', async () => {
  const script = `
    const again = setInterval(() => log.error('line'), 10);
    process.stdin.on('end', () => { clearInterval(again); endLog(log).then(() => process.exit(4)) }).resume()`;
  const child = spawn(process.execPath, processThat(script), { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.stdout.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  child.stdin.end();
  expect(await once(child, 'exit')).toEqual([4, null]);
});
