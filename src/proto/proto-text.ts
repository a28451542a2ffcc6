import { parse, Root } from 'protobufjs';
import { parseFile } from '../internals/protobufjs';
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
  try {
    const { imports = [], weakImports = [] } = parseFile(parseableText(text), root, name);
    return [...imports, ...weakImports];
  } catch (error) {
    const { message } = error as Error;
    const problem = message.replace(atLine, '');
    throw new ProtoError(shown, problem, { line: lineIn(text, problem) ?? lineOf(message) });
  }
}

const atLine = / \((?:.*, )?line (\d+)\)$/;

function lineOf(message: string): number | undefined {
  const line = atLine.exec(message)?.[1];
  return line === undefined ? undefined : Number(line);
}

/** The line of a problem in the text as it is written: what is parsed has some of its lines joined. */
function lineIn(text: string, problem: string): number | undefined {
  try {
    parse(text, new Root(), { keepCase: true });
  } catch (error) {
    const { message } = error as Error;
    if (message.replace(atLine, '') === problem) return lineOf(message);
  }
  return undefined;
}

/** Comments, strings, white space, words and numbers; any other character is a token of its own. */
const token = /\/\/[^\n]*|\/\*[^]*?\*\/|"(?:\\[^]|[^"\\\n])*"|'(?:\\[^]|[^'\\\n])*'|\s+|[\w.]+|[^]/g;

/**
 * Rewrites what the parser of protobufjs does not read, or reads otherwise:
 *
 * - It finds the comment of a declaration only if the declaration is on one line, so broken lines are joined. What follows
 *   a declaration stays on its line.
 * - It drops an asterisk at the start of any comment line, though it decorates block comments alone.
 * - It does not read messages in angle brackets, which option values may have in place of braces.
 */
function parseableText(text: string): string {
  const tokens = text.match(token) ?? [];
  let result = '';
  let last = '';
  let owedBreaks = '';
  let isInDeclaration = false;
  let endOfValue = 0;
  for (const [index, current] of tokens.entries()) {
    if (/^\s/.test(current)) {
      const breaks = lineBreaks(current);
      if (breaks === '' || index < endOfValue) result += current;
      else if (isInDeclaration) {
        owedBreaks += breaks;
        result += ' ';
      } else {
        result += owedBreaks + current;
        owedBreaks = '';
      }
      continue;
    }
    if (current.startsWith('//') || current.startsWith('/*')) {
      if (index >= endOfValue) isInDeclaration = false;
      result += current.replace(/^\/\/\s*(?=\*)/, '///');
      continue;
    }
    if (current === '{' && last === '=') endOfValue = endOf(tokens, index);
    if (index < endOfValue) {
      result += current === '<' ? '{' : current === '>' ? '}' : current;
    } else {
      result += current;
      const isWord = /^\w/.test(current);
      isInDeclaration = isWord ? isInDeclaration || /^[;{}]?$/.test(last) : isInDeclaration && !/[;{}[]/.test(current);
    }
    last = current;
  }
  return result;
}

function lineBreaks(text: string): string {
  return '\n'.repeat(text.split('\n').length - 1);
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
