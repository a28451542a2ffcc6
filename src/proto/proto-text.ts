import { parse, Root } from 'protobufjs';
import { ProtoError } from './proto-error';

/**
 * Reads the text of a proto into a root, where its names stay as they are written.
 *
 * @param name - As other files import it: the file that its objects carry.
 * @param shown - As a person would type it, for errors.
 * @returns what it imports
 * @throws ProtoError
 */
export function readProtoText(root: Root, text: string, name: string, shown: string): string[] {
  const readable = readableByProtobufjs(text);
  try {
    setFile(name);
    const { imports = [], weakImports = [] } = parse(readable, root, { keepCase: true, alternateCommentMode: true });
    return [...imports, ...weakImports];
  } catch (error) {
    const problem = (error as Error).message.replace(atLine, '');
    // Descriptors say what an edition means, text leaves it to the reader.
    const fix = problem.startsWith('illegal edition')
      ? 'Give it as a descriptor set: buf build -o FILE.binpb.'
      : undefined;
    throw new ProtoError(shown, problem, { line: lineOf(text, problem) ?? lineOf(readable, problem), fix });
  } finally {
    setFile(null);
  }
}

/** Undocumented in its types: what the parsed objects carry as their file. */
function setFile(name: string | null): void {
  (parse as { filename?: string | null }).filename = name;
}

const atLine = / \((?:.*, )?line (\d+)\)$/;

/** With comments of its kind, protobufjs counts several `//` lines in a row as one; without, it counts as people do. */
function lineOf(text: string, problem: string): number | undefined {
  try {
    parse(text, new Root(), { keepCase: true });
  } catch (error) {
    const { message } = error as Error;
    const line = atLine.exec(message)?.[1];
    if (line !== undefined && message.replace(atLine, '') === problem) return Number(line);
  }
  return undefined;
}

/** Comments, strings, white space, words and numbers; any other character is a token of its own. */
const token = /\/\/[^\n]*|\/\*[^]*?\*\/|"(?:\\[^]|[^"\\\n])*"|'(?:\\[^]|[^'\\\n])*'|\s+|[\w.]+|[^]/g;

/**
 * Some of what a proto may say protobufjs does not read. None of it says anything about messages and RPCs, so it can go:
 * empty statements, and those entries of option values that are written in ways it does not know. And it gives the comment
 * of a declaration that is broken across lines to nobody, so such a declaration becomes one line; what is behind it stays
 * on its line.
 */
function readableByProtobufjs(text: string): string {
  const tokens = text.match(token) ?? [];
  let result = '';
  let last = '';
  let owed = '';
  let isInside = false;
  for (let index = 0; index < tokens.length; index++) {
    const current = tokens[index]!;
    if (/^\s/.test(current)) {
      const breaks = lineBreaks(current);
      if (isInside && breaks !== '') {
        owed += breaks;
        result += ' ';
      } else {
        result += breaks === '' ? current : owed + current;
        if (breaks !== '') owed = '';
      }
      continue;
    }
    if (isComment(current)) {
      isInside = false;
      // An asterisk in front is taken for decoration, which is true of block comments alone.
      result += current.replace(/^\/\/\s*(?=\*)/, '///');
      continue;
    }
    if (current === '{' && last === '=') {
      const end = endOf(tokens, index);
      result += readableValue(tokens.slice(index, end));
      index = end - 1;
      last = '}';
      continue;
    }
    isInside = /^\w/.test(current) ? isInside || /^[;{}]?$/.test(last) : isInside && !/[;{}[]/.test(current);
    if (current !== ';' || !/^[;{]?$/.test(last)) result += current;
    last = current;
  }
  return result;
}

function lineBreaks(text: string): string {
  return '\n'.repeat(text.split('\n').length - 1);
}

function isComment(text: string): boolean {
  return text.startsWith('//') || text.startsWith('/*');
}

/** The index behind the bracket that closes the one at an index. */
function endOf(tokens: readonly string[], start: number): number {
  let depth = 0;
  for (let index = start; index < tokens.length; index++) {
    if (/^[{[<]$/.test(tokens[index]!)) depth++;
    if (/^[}\]>]$/.test(tokens[index]!) && --depth === 0) return index + 1;
  }
  return tokens.length;
}

/**
 * `{ name: value ... }` without the entries that protobufjs does not read: names in brackets, messages in angle brackets,
 * and lists that are empty or hold messages.
 */
function readableValue(tokens: readonly string[]): string {
  const isBlank = (index: number): boolean => /^\s/.test(tokens[index] ?? '') || isComment(tokens[index] ?? '');
  const skip = (from: number): number => {
    let index = from;
    while (index < tokens.length && isBlank(index)) index++;
    return index;
  };
  let result = '{';
  let index = 1;
  while (index < tokens.length - 1) {
    const start = index;
    index = skip(start);
    if (index >= tokens.length - 1) break;
    // The name, and the value with what may be around it.
    index = skip(tokens[index] === '[' ? endOf(tokens, index) : index + 1);
    if (tokens[index] === ':') index = skip(index + 1);
    if (/^[{[<]$/.test(tokens[index]!)) index = endOf(tokens, index);
    else if (/^["']/.test(tokens[index]!)) {
      for (let next = index; /^["']/.test(tokens[next] ?? ''); next = skip(index)) index = next + 1;
    } else index = (tokens[index] === '-' ? skip(index + 1) : index) + 1;
    if (/^[,;]$/.test(tokens[skip(index)] ?? '')) index = skip(index) + 1;
    const entry = tokens.slice(start, index);
    const isReadable = !/^\[|<|[^:]\[|\[[\][{<]/.test(entry.filter((each) => !/^["'\s]|^\/[/*]/.test(each)).join(''));
    result += isReadable ? entry.join('') : lineBreaks(entry.join(''));
  }
  return `${result}${lineBreaks(tokens.slice(index).join(''))}}`;
}
