/** Apollo Server 5 behind Express 5, as its documentation has it for production. */
import { createServer } from 'node:http';
import { ApolloServer } from '@apollo/server';
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer';
import { expressMiddleware } from '@as-integrations/express5';
import express from 'express';
import { listen } from './listen.mjs';
import { createContext, resolvers, typeDefs } from './schema.mjs';

const app = express();
const httpServer = createServer(app);
const apollo = new ApolloServer({ typeDefs, resolvers, plugins: [ApolloServerPluginDrainHttpServer({ httpServer })] });
await apollo.start();
app.use('/graphql', express.json(), expressMiddleware(apollo, { context: async () => createContext() }));
listen(httpServer);
