import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWorld, type World, type WorldOptions } from '../gateway-fixture';
import { startUpstream, type Handler, type Upstream } from '../upstreams/server';

/** A gateway with a schema and a service of the test's own, beside AuthService. */
export interface OwnWorld {
  readonly world: World;
  readonly own: Upstream;
  /** Variables that have another gateway do the same. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export interface OwnSchema {
  /** Of the package `own.v1`, with the service `OwnService`; the upstream `own` is it. */
  readonly proto: string;
  readonly sdl: string;
  readonly rest?: string;
  readonly handlers: Readonly<Record<string, Handler>>;
  readonly options?: WorldOptions;
}

export async function startOwnWorld({ proto, sdl, rest, handlers, options = {} }: OwnSchema): Promise<OwnWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'own-schema-'));
  const [schemaDir, protoDir] = [join(folder, 'schema'), join(folder, 'proto')];
  mkdirSync(join(schemaDir, 'rest'), { recursive: true });
  cpSync('proto', protoDir, { recursive: true });
  mkdirSync(join(protoDir, 'own'));
  writeFileSync(join(protoDir, 'own/own.proto'), proto);
  writeFileSync(
    join(schemaDir, 'own.graphql'),
    `extend schema
  @upstream(name: "auth", service: "auth.v1.AuthService")
  @upstream(name: "own", service: "own.v1.OwnService")
${sdl}`,
  );
  if (rest !== undefined) writeFileSync(join(schemaDir, 'rest/own.graphql'), rest);
  const own = await startUpstream({ proto: join(protoDir, 'own/own.proto'), service: 'own.v1.OwnService', handlers });
  const env = { SCHEMA_DIR: schemaDir, PROTO_DIR: protoDir, OWN_SERVICE_ADDR: own.address, ...options.env };
  const remove = (): void => rmSync(folder, { recursive: true });
  const world = await startWorld({ ...options, env }).catch(async (error: unknown) => {
    await own.close();
    remove();
    throw error;
  });
  return {
    world,
    own,
    env,
    async close() {
      await world.close();
      await own.close();
      remove();
    },
  };
}
