import { graphqlPaths } from '../graphql/routes';
import { docsPaths } from '../rest/openapi/docs-page';
import { openApiPath } from '../rest/openapi/route';
import { signInPaths } from '../signin/routes';

/** The names that @resolver may give: functions of the gateway itself. */
export const ownResolverNames = ['gateway', 'logout', 'signOut'] as const;

export type OwnResolverName = (typeof ownResolverNames)[number];

/** Templates of the paths that the gateway answers itself: no REST route may take them. */
export const ownPaths: readonly string[] = [...graphqlPaths, ...Object.values(signInPaths), openApiPath, ...docsPaths];
