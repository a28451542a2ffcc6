import { sourceFolders } from '../config/config';
import { ownResolverNames } from '../contract/built-ins';
import { compileContract } from '../contract/contract';
import { runImport } from './run-import';

/** Nothing is resolved while a schema is only checked. */
function notCalled(): never {
  throw new Error('the schema is only checked');
}

async function main(): Promise<void> {
  const resolvers = Object.fromEntries(ownResolverNames.map((name) => [name, notCalled]));
  const { exitCode, stdout, stderr } = await runImport(process.argv.slice(2), {
    folders: sourceFolders(process.env),
    check: (sources, findings) => compileContract(sources, { upstream: notCalled, resolvers }, findings),
  });
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = exitCode;
}

main().catch((error: unknown) => {
  process.stderr.write(`${String((error as Error)?.stack ?? error)}\n`);
  process.exitCode = 2;
});
