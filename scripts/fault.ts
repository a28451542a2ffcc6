/**
 * Development only. Makes a development upstream fail on request, to practise what docs/runbook.md says.
 *
 *   npx tsx scripts/fault.ts 127.0.0.1:50051 GetUser --code INTERNAL
 *   npx tsx scripts/fault.ts 127.0.0.1:50051 ValidateSession --delay 1500
 *   npx tsx scripts/fault.ts 127.0.0.1:50051 --clear
 *
 * `'*'` stands for every method. Exit code 1, with what is wrong, where the upstream refuses or is not there.
 */
import { parseArgs } from 'node:util';
import { status } from '@grpc/grpc-js';
import type { Fault } from '../test/upstreams/control';
import { createRpcClient } from '../test/upstreams/rpc-client';

/** Ms. */
const patience = 5_000;

const usage = 'usage: npx tsx scripts/fault.ts ADDRESS METHOD [--code STATUS] [--delay MS] [--hang] | ADDRESS --clear';

function readFault(method: string, { code, delay, hang }: { code?: string; delay?: string; hang?: boolean }): Fault {
  const fault: Fault = { method, hang: hang ?? false };
  if (code !== undefined) {
    if (!(code in status)) throw new Error(`${code} is no gRPC status, such as UNAVAILABLE`);
    fault.code = status[code as keyof typeof status];
  }
  if (delay !== undefined) {
    fault.delayMs = Number(delay);
    if (!Number.isInteger(fault.delayMs) || fault.delayMs < 0) throw new Error(`${delay} is no number of milliseconds`);
  }
  return fault;
}

/**
 * Orders what the command line says.
 *
 * @throws Error that says what is wrong with the arguments, or what the upstream has against them
 */
export async function orderFault(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      code: { type: 'string' },
      delay: { type: 'string' },
      hang: { type: 'boolean' },
      clear: { type: 'boolean' },
    },
  });
  const [address, method] = positionals;
  if (address === undefined || (method === undefined) !== (values.clear ?? false)) throw new Error(usage);
  const client = createRpcClient(address, 'control.proto', 'dev.v1.Control');
  const deadline = new Date(Date.now() + patience);
  try {
    if (method === undefined) await client.call('ClearFaults', {}, { deadline });
    else await client.call('SetFault', readFault(method, values), { deadline });
  } finally {
    client.close();
  }
}

if (require.main === module) {
  orderFault(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
}
