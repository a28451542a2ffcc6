/** Development only. Where everything of `npm run start:dev` is to be found, and what its processes are told. */
import { newToken } from './auth/sessions';
import { demandFreePort, readPort } from './ports';

const defaultPorts = { PORT: 3000, ADMIN_PORT: 9090, DEV_AUTH_PORT: 50051, DEV_AI_PORT: 50052, DEV_IDP_PORT: 9100 };
const portVariables = Object.keys(defaultPorts) as PortVariable[];

/** A variable that moves a port. */
export type PortVariable = keyof typeof defaultPorts;

/** Everything that is decided before a process starts. */
export interface DevSettings {
  ports: Readonly<Record<PortVariable, number>>;
  /** Where the gateway is reached, without a slash at the end. */
  publicUrl: string;
  adminToken: string;
  memberToken: string;
  /** The environment of every process. What the user has set stays as it is. */
  env: NodeJS.ProcessEnv;
}

/** Reads the settings, or finds out all that is wrong with them: one line each. */
export async function readDevSettings(env: NodeJS.ProcessEnv): Promise<DevSettings | { problems: string[] }> {
  const { ports, problems } = readPorts(env);
  problems.push(...(await findTakenPorts(ports)));
  return problems.length > 0 ? { problems } : complete(env, ports as Record<PortVariable, number>);
}

type Ports = Partial<Record<PortVariable, number>>;

function readPorts(env: NodeJS.ProcessEnv): { ports: Ports; problems: string[] } {
  const ports: Ports = {};
  const problems: string[] = [];
  for (const variable of portVariables) {
    const text = env[variable] || String(defaultPorts[variable]);
    const port = readPort(text);
    if (port === undefined) problems.push(`${variable} must be a port from 1 to 65535, not ${text}`);
    else ports[variable] = port;
  }
  return { ports, problems: [...problems, ...findSharedPorts(ports)] };
}

function findSharedPorts(ports: Ports): string[] {
  return portVariables.flatMap((variable, index) => {
    const other = portVariables.slice(0, index).find((it) => ports[it] !== undefined && ports[it] === ports[variable]);
    return other ? [`${other} and ${variable} are both ${ports[variable]}`] : [];
  });
}

async function findTakenPorts(ports: Ports): Promise<string[]> {
  const problems: string[] = [];
  // One after the other, so that two variables with the same port do not take it from each other here.
  for (const [variable, port] of Object.entries(ports)) {
    try {
      // On some systems one of these can be free while the other is taken; what listens here wants both.
      await demandFreePort(port, '127.0.0.1');
      await demandFreePort(port);
    } catch (error) {
      problems.push(`${error instanceof Error ? error.message : String(error)} (${variable} moves it)`);
    }
  }
  return problems;
}

function complete(env: NodeJS.ProcessEnv, ports: Record<PortVariable, number>): DevSettings {
  const publicUrl = env['PUBLIC_URL'] || `http://localhost:${ports.PORT}`;
  const adminToken = env['DEV_ADMIN_TOKEN'] || newToken();
  const memberToken = env['DEV_MEMBER_TOKEN'] || newToken();
  const defaults = {
    ...Object.fromEntries(portVariables.map((variable) => [variable, String(ports[variable])])),
    NODE_ENV: 'development',
    PUBLIC_URL: publicUrl,
    AUTH_SERVICE_ADDR: `127.0.0.1:${ports.DEV_AUTH_PORT}`,
    AI_SERVICE_ADDR: `127.0.0.1:${ports.DEV_AI_PORT}`,
    SSO_PROVIDERS: 'dev',
    SSO_DEV_ISSUER: `http://localhost:${ports.DEV_IDP_PORT}`,
    SSO_DEV_CLIENT_ID: 'api-gateway',
    // One for as long as start:dev runs, so that a reload does not lose sign-ins under way.
    ...(env['SESSION_SECRET_FILE'] ? {} : { SESSION_SECRET: newToken() }),
    DEV_ADMIN_TOKEN: adminToken,
    DEV_MEMBER_TOKEN: memberToken,
  };
  const set = Object.entries(env).filter(([, value]) => value !== '');
  return {
    ports,
    publicUrl: publicUrl.replace(/\/$/, ''),
    adminToken,
    memberToken,
    env: { ...defaults, ...Object.fromEntries(set) },
  };
}
