/** Mesh's gRPC source: what `mesh-compose` makes the supergraph of Hive Gateway from. */
import { defineConfig } from '@graphql-mesh/compose-cli';
import { loadGrpcSubgraph } from '@omnigraph/grpc';

const { AUTH_SERVICE_ADDR, AI_SERVICE_ADDR, PROTO_DIR } = process.env;
const source = (file) => ({ file: `${PROTO_DIR}/${file}`, load: { includeDirs: [PROTO_DIR], defaults: true } });

export const composeConfig = defineConfig({
  subgraphs: [
    {
      sourceHandler: loadGrpcSubgraph('auth', {
        endpoint: AUTH_SERVICE_ADDR,
        source: source('auth/v1/auth.proto'),
        prefixQueryMethod: ['get', 'list', 'batch'],
      }),
    },
    {
      sourceHandler: loadGrpcSubgraph('ai', {
        endpoint: AI_SERVICE_ADDR,
        source: source('ai/v1/ai.proto'),
        prefixQueryMethod: ['get', 'list'],
      }),
    },
  ],
  additionalTypeDefs: `
    extend type ai__v1__Conversation {
      owner: auth__v1__User
        @resolveTo(
          sourceName: "auth"
          sourceTypeName: "Query"
          sourceFieldName: "auth_v1_AuthService_BatchGetUsers"
          requiredSelectionSet: "{ user_id }"
          keyField: "user_id"
          valueKeyField: "user_id"
          keysArg: "input.user_ids"
          result: "users"
        )
    }
  `,
});
