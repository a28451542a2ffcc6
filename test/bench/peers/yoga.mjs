/** GraphQL Yoga as it comes, with resolvers written by hand. */
import { createServer } from 'node:http';
import { createSchema, createYoga } from 'graphql-yoga';
import { listen } from './listen.mjs';
import { createContext, resolvers, typeDefs } from './schema.mjs';

const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers }), context: createContext, graphiql: false });
listen(createServer(yoga));
