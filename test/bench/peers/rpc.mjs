/** The upstreams as a peer calls them: grpc-js with proto-loader, as gRPC's own documentation for Node has it. */
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoDir } from '../lib/paths.mjs';

const definition = loadSync(['auth/v1/auth.proto', 'ai/v1/ai.proto'], {
  includeDirs: [protoDir],
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});
const { auth, ai } = grpc.loadPackageDefinition(definition);

function promised(client) {
  return (method, request) =>
    new Promise((resolve, reject) => {
      client[method](request, (error, response) => (error ? reject(error) : resolve(response)));
    });
}

export const callAuth = promised(
  new auth.v1.AuthService(process.env.AUTH_SERVICE_ADDR, grpc.credentials.createInsecure()),
);
export const callAi = promised(new ai.v1.AIService(process.env.AI_SERVICE_ADDR, grpc.credentials.createInsecure()));

/** A Timestamp as GraphQL's DateTime. */
export const dateTime = (timestamp) =>
  timestamp && new Date(Number(timestamp.seconds) * 1000 + timestamp.nanos / 1e6).toISOString();
