/** Mercurius with its JIT and its loaders, as its documentation has it for performance. */
import Fastify from 'fastify';
import mercurius from 'mercurius';
import { announce } from './listen.mjs';
import { loadUsers, resolvers, typeDefs } from './schema.mjs';

const { owner: _byDataLoader, ...conversation } = resolvers.Conversation;
const app = Fastify();
await app.register(mercurius, {
  schema: typeDefs,
  resolvers: { ...resolvers, Conversation: conversation },
  loaders: {
    Conversation: { owner: (queries) => loadUsers(queries.map(({ obj }) => obj.userId)) },
  },
  jit: 1,
  graphiql: false,
});
await app.listen({ port: 0, host: '127.0.0.1' });
announce(app.server.address().port);
