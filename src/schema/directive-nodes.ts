import { valueFromASTUntyped, type ConstDirectiveNode, type DirectiveNode, type GraphQLSchema } from 'graphql';

interface Annotated {
  readonly directives?: readonly (ConstDirectiveNode | DirectiveNode)[] | undefined;
}

/** A directive on a node, where it is there. */
export function directiveOn(node: Annotated | undefined | null, name: string): ConstDirectiveNode | undefined {
  return node?.directives?.find((directive) => directive.name.value === name) as ConstDirectiveNode | undefined;
}

/** True where a node has a directive that there is not: what it was meant to say is then unknown. */
export function hasUnknownDirective(node: Annotated | undefined | null, schema: GraphQLSchema): boolean {
  return node?.directives?.some(({ name }) => !schema.getDirective(name.value)) === true;
}

/** The arguments of a directive on a node as plain values; undefined where the directive is not there. */
export function directiveArgs(
  node: Annotated | undefined | null,
  name: string,
): Readonly<Record<string, unknown>> | undefined {
  const directive = directiveOn(node, name);
  return directive && argsOf(directive);
}

/** The arguments of a directive as plain values. */
export function argsOf(directive: ConstDirectiveNode | DirectiveNode): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    (directive.arguments ?? []).map((argument) => [argument.name.value, valueFromASTUntyped(argument.value)]),
  );
}
