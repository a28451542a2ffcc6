import { graphqlPaths } from '../graphql/routes';
import { signInPaths } from '../signin/routes';

/** Names that @resolver may give: the functions of the gateway itself. */
export const ownResolverNames = ['gateway', 'logout'] as const;

export type OwnResolverName = (typeof ownResolverNames)[number];

/** Templates of the paths that the gateway answers itself, and no REST route may take. */
export const ownPaths: readonly string[] = [...graphqlPaths, ...Object.values(signInPaths)];
