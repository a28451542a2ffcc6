import { valueFromASTUntyped, type ConstDirectiveNode, type DirectiveNode, type GraphQLSchema } from 'graphql';

interface Annotated {
  readonly directives?: readonly (ConstDirectiveNode | DirectiveNode)[] | undefined;
}

/** A directive of a node; undefined where the node does not have it. */
export function directiveOn(node: Annotated | undefined | null, name: string): ConstDirectiveNode | undefined {
  return node?.directives?.find((directive) => directive.name.value === name) as ConstDirectiveNode | undefined;
}

/** True where a node has a directive that the schema does not define: its meaning is then unknown. */
export function hasUnknownDirective(node: Annotated | undefined | null, schema: GraphQLSchema): boolean {
  return node?.directives?.some(({ name }) => !schema.getDirective(name.value)) === true;
}

/** The arguments of a directive of a node, as plain values; undefined where the node does not have it. */
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
