import { constants } from 'node:os';
import { ConfigError, readConfig, sourceFolders, type Config } from './config/config';
import { SchemaError } from './diagnostics/findings';
import { createGateway } from './gateway';
import { startServer } from './http/server';
import { loadSources, type Sources } from './schema/sources';
import { createLog, endLog, endLogAtOnce, type Logger, type LogLevel } from './telemetry/log';
import { createMetrics } from './telemetry/metrics';

/** Reads schema and environment, telling everything that is wrong with either at once. */
function readAll(env: NodeJS.ProcessEnv): { config: Config; sources: Sources } {
  const problems: string[] = [];
  const attempt = <T>(read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ConfigError) && !(error instanceof SchemaError)) throw error;
      problems.push(error.message);
      return undefined;
    }
  };
  const sources = attempt(() => loadSources(sourceFolders(env)));
  const config = attempt(() => readConfig(env, sources?.upstreamNames ?? []));
  if (!config || !sources) throw new StartupError(problems.join('\n'));
  return { config, sources };
}

/** The gateway cannot start as it is configured. */
class StartupError extends Error {
  override readonly name = 'StartupError';
}

async function main(): Promise<void> {
  let log: Logger | undefined;
  try {
    const { config, sources } = readAll(process.env);
    log = startLog(config.logLevel);
    for (const warning of config.warnings) log.warn(warning);
    await serve(config, sources, log);
  } catch (error) {
    // How much is to be logged is not known where the configuration is wrong; this is, in any case.
    log ??= startLog('fatal');
    log.fatal(
      isOperatorError(error) ? { reason: reasonOf(error).split('\n') } : { err: error },
      'api-gateway cannot start',
    );
    await endLog(log);
    throw error;
  }
}

/** Makes the log, which from now on tells of the process's end too, whatever that is. */
function startLog(level: LogLevel): Logger {
  const log = createLog(level);
  process.once('exit', () => endLogAtOnce(log));
  const giveUp = (error: unknown): void => {
    // The state of the process is unknown from here on: say so and let it be replaced.
    log.fatal({ err: error }, 'uncaught exception');
    void exit(log, 1);
  };
  process.on('uncaughtException', giveUp);
  // By default a rejection is an uncaught exception too, but Node replaces an error that has no stack of its own.
  process.on('unhandledRejection', giveUp);
  return log;
}

async function exit(log: Logger, code: number): Promise<void> {
  if (await endLog(log)) process.exit(code);
  // It would wait for the write that nobody takes.
  process.kill(process.pid, 'SIGKILL');
}

/** Opens the doors, and closes them when the process is told to end. */
async function serve(config: Config, sources: Sources, log: Logger): Promise<void> {
  const metrics = createMetrics({ processMetrics: true, graphqlPlugin: config.graphqlServer === 'yoga' });
  const gateway = createGateway(config, { log, sources, metrics });
  const server = await startServer(gateway, config, log);
  log.info({ port: server.port, adminPort: server.adminPort, env: config.env }, 'listening');

  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) {
      void exit(log, 128 + constants.signals[signal]);
      return;
    }
    stopping = true;
    log.info({ signal }, 'shutting down');
    void server.close().then((clean) => {
      log.info({ clean }, 'stopped');
      return exit(log, 0);
    });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** True for operator errors: a wrong configuration, a schema that does not fit, a port that is taken. */
function isOperatorError(error: unknown): error is Error {
  return error instanceof StartupError || error instanceof SchemaError || isOfListening(error);
}

function isOfListening(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall === 'listen';
}

/** Why it cannot start, for whoever reads the terminal; where it is a bug of ours, with the stack. */
function reasonOf(error: unknown): string {
  if (!isOperatorError(error)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const hint = isOfListening(error) ? '\n  PORT, HOST, ADMIN_PORT and ADMIN_HOST say where to listen' : '';
  return error.message + hint;
}

main().catch((error: unknown) => {
  process.stderr.write(`api-gateway cannot start: ${reasonOf(error)}\n`);
  process.exit(1);
});
