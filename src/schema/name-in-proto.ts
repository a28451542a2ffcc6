import type { ConstDirectiveNode } from 'graphql';
import { directiveArgs } from './directive-nodes';

interface NamedElement {
  readonly name: string;
  readonly astNode?: { readonly directives?: readonly ConstDirectiveNode[] | undefined } | undefined | null;
}

/** The name that a field, an argument or an input field has in its message: what @proto says, else its own. */
export function nameInProto({ name, astNode }: NamedElement): string {
  return (directiveArgs(astNode, 'proto')?.['field'] as string | undefined) ?? name;
}
