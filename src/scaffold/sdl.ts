import { group, hardline, ifBreak, indent, join, layout, line, softline, type Doc } from './layout';

/** What any definition may have in front: a description for clients, and comments for whoever edits the file. */
interface Described {
  readonly description?: string | undefined;
  readonly comments?: readonly string[] | undefined;
}

/** A value of a directive's argument. */
export type SdlValue = string | readonly SdlValue[] | { readonly [name: string]: SdlValue };

export interface SdlDirective {
  readonly name: string;
  readonly args: Readonly<Record<string, SdlValue>>;
}

export interface SdlArgument extends Described {
  readonly name: string;
  readonly type: string;
  /** As it is written. */
  readonly default?: string;
  readonly directives?: readonly SdlDirective[];
}

export interface SdlField extends SdlArgument {
  readonly args?: readonly SdlArgument[];
}

export interface SdlEnumValue extends Described {
  readonly name: string;
  readonly directives?: readonly SdlDirective[];
}

export interface SdlType extends Described {
  /** Such as `type User` or `extend type Query`. */
  readonly head: string;
  readonly directives?: readonly SdlDirective[];
  readonly members: readonly (SdlField | SdlEnumValue)[];
  /** True for empty lines between members. */
  readonly isSpaced?: boolean;
}

export interface SdlFile {
  /** Lines at the top. */
  readonly comments: readonly string[];
  readonly upstream: SdlDirective;
  readonly types: readonly SdlType[];
  /** Lines at the end. */
  readonly closing: readonly string[];
}

/** A file as prettier would leave it. */
export function printSdl(file: SdlFile): string {
  const parts: Doc[] = [
    join(hardline, file.comments.map(commentLine)),
    ['extend schema', directivesOf([file.upstream])],
    ...file.types.map(typeDoc),
    ...(file.closing.length > 0 ? [join(hardline, file.closing.map(commentLine))] : []),
  ];
  return layout(join([hardline, hardline], parts));
}

function typeDoc({ head, directives = [], members, isSpaced, ...described }: SdlType): Doc {
  return [
    lead(described),
    head,
    directivesOf(directives),
    ' {',
    indent([hardline, join(isSpaced ? [hardline, hardline] : hardline, members.map(memberDoc))]),
    hardline,
    '}',
  ];
}

function memberDoc(member: SdlField | SdlEnumValue): Doc {
  if (!('type' in member)) return [lead(member), member.name, directivesOf(member.directives)];
  const { args = [] } = member;
  return [lead(member), member.name, args.length > 0 ? list('(', args.map(argumentDoc), ')') : '', typeOf(member)];
}

function argumentDoc(argument: SdlArgument): Doc {
  const { description } = argument;
  return [
    commentLines(argument.comments),
    description === undefined ? '' : [descriptionDoc(description), isBlock(description) ? hardline : line],
    argument.name,
    typeOf(argument),
  ];
}

function typeOf({ type, default: preset, directives }: SdlArgument): Doc {
  return [': ', type, preset === undefined ? '' : ` = ${preset}`, directivesOf(directives)];
}

function directivesOf(directives: readonly SdlDirective[] = []): Doc {
  if (directives.length === 0) return '';
  return [' ', group(indent([softline, join(line, directives.map(directiveDoc))]))];
}

function directiveDoc({ name, args }: SdlDirective): Doc {
  const entries = Object.entries(args).map(([key, value]): Doc => [key, ': ', valueDoc(value)]);
  return [`@${name}`, entries.length > 0 ? list('(', entries, ')') : ''];
}

function valueDoc(value: SdlValue): Doc {
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return list('[', (value as readonly SdlValue[]).map(valueDoc), ']');
  const fields = Object.entries(value).map(([key, each]): Doc => [key, ': ', valueDoc(each)]);
  return group([
    '{',
    ' ',
    indent([softline, join([ifBreak('', ', '), softline], fields)]),
    softline,
    ifBreak('', ' '),
    '}',
  ]);
}

function list(open: string, items: readonly Doc[], close: string): Doc {
  return group([open, indent([softline, join([ifBreak('', ', '), softline], items)]), softline, close]);
}

function lead({ comments, description }: Described): Doc {
  return [commentLines(comments), description === undefined ? '' : [descriptionDoc(description), hardline]];
}

function descriptionDoc(text: string): Doc {
  if (!isBlock(text)) return quoted(text);
  return join(hardline, ['"""', ...text.replaceAll('"""', '\\"""').split('\n'), '"""']);
}

/** True for text that is written as a block string: it has several lines, or characters that need escaping. */
function isBlock(text: string): boolean {
  return /[\n"\\]/.test(text);
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

function commentLines(comments: readonly string[] = []): Doc {
  return comments.map((text): Doc => [commentLine(text), hardline]);
}

/** Always one line: names come from servers, and may contain anything. */
function commentLine(text: string): string {
  return `# ${text.replace(/\s+/g, ' ')}`.trimEnd();
}
