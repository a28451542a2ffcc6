import {
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  print,
  valueFromAST,
  type ASTNode,
  type DirectiveNode,
  type GraphQLDirective,
  type GraphQLError,
  type GraphQLSchema,
} from 'graphql';
import { didYouMean } from './did-you-mean';
import type { Findings } from './findings';

/** What there is to choose from, for saying how to mend a mistake. */
export interface Choices {
  readonly directives: readonly GraphQLDirective[];
  /** Undefined while the schema itself is not valid. */
  readonly schema?: GraphQLSchema;
}

/**
 * Reports what graphql-js finds wrong, each with what would mend it.
 *
 * @param nodeOf - The node to point at, where it is not the error's first.
 */
export function reportErrors(
  errors: readonly GraphQLError[],
  findings: Findings,
  choices: Choices,
  nodeOf: (error: GraphQLError) => ASTNode | undefined = ({ nodes }) => nodes?.[0],
): void {
  for (const error of errors) {
    const [, message = '', hint] = /^(.*?)\.?(?: (Did you mean .*))?$/s.exec(error.message) ?? [];
    findings.at(nodeOf(error), message, hint ?? mend(message, choices));
  }
}

/** Findings for arguments of a directive whose value is not what its definition says. GraphQL's own rules leave them out. */
export function checkDirectiveValues(node: DirectiveNode, definition: GraphQLDirective, findings: Findings): void {
  for (const { name, value } of node.arguments ?? []) {
    const type = definition.args.find((argument) => argument.name === name.value)?.type;
    if (type && valueFromAST(value, type) === undefined) {
      findings.at(value, `${name.value} of @${definition.name} is ${print(value)}`, `It must be ${String(type)}.`);
    }
  }
}

type Mend = (choices: Choices, ...groups: string[]) => string | undefined;

/** The messages of graphql-js that say what is wrong and not what would be right. */
const mends: readonly (readonly [message: RegExp, mend: Mend])[] = [
  [
    /^Unknown directive "@(\w+)"/,
    ({ directives }, name = '') => {
      const names = directives.map((each) => `@${each.name}`);
      return didYouMean(`@${name}`, names) ?? `There are ${names.join(', ')}.`;
    },
  ],
  [/^Unknown argument "\w+" on directive "@(\w+)"/, ({ directives }, name) => argumentsOf(directives, name)],
  [
    /^Directive "@(\w+)" may not be used on/,
    ({ directives }, name) => {
      const places = directives.find((each) => each.name === name)?.locations;
      return places && `It belongs on ${places.join(', ')}.`;
    },
  ],
  [/^The directive "@\w+" can only be used once/, () => 'Keep one of them.'],
  [/^(?:Directive|Field) .*argument "(\w+)" of type "(.+)" is required/, (_, name, type) => `Give ${name}: ${type}.`],
  [/^Unknown type "(\w+)"/, (_, name) => `Define ${name}, or use a type that there is.`],
  [/^There can be only one type named "PageInfo"/, () => 'The gateway has it already: remove this one.'],
  [/^There can be only one|can only be defined once$/, () => 'Remove or rename one of them.'],
  [/^Cannot extend type "(\w+)"/, (_, name) => `Define ${name} first: without extend.`],
  [/^Query root type must be provided/, () => 'Write type Query { ... } in one of the files.'],
  [
    /^Cannot query field "\w+" on type "(\w+)"/,
    ({ schema }, name = '') => {
      const type = schema?.getType(name);
      if (!isObjectType(type) && !isInterfaceType(type)) return undefined;
      return `Its fields are ${Object.keys(type.getFields()).join(', ')}.`;
    },
  ],
  [
    /^Unknown argument "\w+" on field "(\w+)\.(\w+)"/,
    ({ schema }, typeName = '', name = '') => {
      const type = schema?.getType(typeName);
      const names = isObjectType(type) ? type.getFields()[name]?.args.map((argument) => argument.name) : undefined;
      return names && (names.length === 0 ? 'It takes none.' : `It takes ${names.join(', ')}.`);
    },
  ],
  [
    /^Field "(\w+)" is not defined by type "(\w+)"/,
    ({ schema }, _name, typeName = '') => {
      const type = schema?.getType(typeName);
      return isInputObjectType(type) ? `Its fields are ${Object.keys(type.getFields()).join(', ')}.` : undefined;
    },
  ],
  [
    /^Variable "(\$\w+)" of type ".+" used in position expecting type "(.+)"/,
    (_, name, type) => `Make it ${name}: ${type}.`,
  ],
  [/^Variable "(\$\w+)" is never used/, (_, name) => `Use ${name}, or remove it.`],
  [/^Variable "(\$\w+)" is not defined/, (_, name) => `Add ${name} to the operation's variables.`],
  [/must not have a selection since type/, () => 'Remove what it selects.'],
  [
    /^Value "\w+" does not exist in "(\w+)" enum/,
    ({ schema }, name = '') => {
      const type = schema?.getType(name);
      const names = isEnumType(type) ? type.getValues().map((value) => value.name) : [];
      return `Its values are ${names.join(', ')}.`;
    },
  ],
  [/cannot represent|^Expected value of type/, () => 'Give a value of that type.'],
  [/^Fragment "\w+" is never used/, () => 'Use it, or remove it.'],
  [/^Unknown fragment "(\w+)"/, (_, name) => `Define fragment ${name} in this file.`],
];

function mend(message: string, choices: Choices): string | undefined {
  for (const [pattern, say] of mends) {
    const match = pattern.exec(message);
    if (match) return say(choices, ...match.slice(1));
  }
  return undefined;
}

function argumentsOf(directives: readonly GraphQLDirective[], name: string | undefined): string | undefined {
  const definition = directives.find((each) => each.name === name);
  if (!definition) return undefined;
  return definition.args.length === 0
    ? 'It takes none.'
    : `It takes ${definition.args.map((argument) => argument.name).join(', ')}.`;
}
