/** A gateway that fronts much more: the same schema and protos, with 200 RPCs of ten more services and 1,000 fields. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { protoDir, schemaDir } from './paths.mjs';

const services = 10;
const typesPerService = 10;
const leaves = ['title', 'summary', 'color', 'size', 'weight', 'place', 'state'];

/**
 * Writes the folders.
 *
 * @returns the environment variables that a gateway needs for them
 */
export function writeGrowth(folder, address) {
  const env = { SCHEMA_DIR: join(folder, 'schema'), PROTO_DIR: join(folder, 'proto') };
  cpSync(schemaDir, env.SCHEMA_DIR, { recursive: true });
  cpSync(protoDir, env.PROTO_DIR, { recursive: true });
  for (let service = 0; service < services; service++) {
    const name = `growth${service}`;
    const types = Array.from({ length: typesPerService }, (_, index) => `Item${service}x${index}`);
    mkdirSync(join(env.PROTO_DIR, name, 'v1'), { recursive: true });
    writeFileSync(join(env.PROTO_DIR, name, 'v1', `${name}.proto`), protoOf(name, types));
    writeFileSync(join(env.SCHEMA_DIR, `${name}.graphql`), sdlOf(name, types));
    env[`${name.toUpperCase()}_SERVICE_ADDR`] = address;
  }
  return env;
}

/** Two RPCs and a message of eight fields for each type. */
function protoOf(name, types) {
  const rpc = (verb, type) =>
    `  rpc ${verb}${type}(${verb}${type}Request) returns (${type}) { option idempotency_level = NO_SIDE_EFFECTS; }`;
  const messages = types.map(
    (type) => `message Get${type}Request { string id = 1; }
message Find${type}Request { string title = 1; }
message ${type} {
  string id = 1;
${leaves.map((leaf, index) => `  string ${leaf} = ${index + 2};`).join('\n')}
}`,
  );
  return `syntax = "proto3";
package ${name}.v1;
service GrowthService {
${types.flatMap((type) => [rpc('Get', type), rpc('Find', type)]).join('\n')}
}
${messages.join('\n')}
`;
}

/** Two root fields and eight fields for each type: ten in all. */
function sdlOf(name, types) {
  const roots = types.flatMap((type) => [
    `  get${type}(id: ID!): ${type} @authenticated @grpc(rpc: "Get${type}")`,
    `  find${type}(title: String!): ${type} @requiresScopes(scopes: [["growth:find"]]) @grpc(rpc: "Find${type}")`,
  ]);
  const objects = types.map(
    (type) => `type ${type} {
  id: ID!
${leaves.map((leaf) => `  ${leaf}: String`).join('\n')}
}`,
  );
  return `extend schema @upstream(name: "${name}", service: "${name}.v1.GrowthService", deadline: "2s")

extend type Query {
${roots.join('\n')}
}

${objects.join('\n\n')}
`;
}
