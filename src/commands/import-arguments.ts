import { parseArgs } from 'node:util';
import { ImportError } from '../scaffold/import-error';

/** What an import was asked for. */
export interface ImportArguments {
  /** A server's address, or the path of a proto. */
  readonly source: string;
  /** Full name of the service; undefined for the only one that there is. */
  readonly service: string | undefined;
  readonly name: string | undefined;
  readonly out: string | undefined;
  readonly force: boolean;
  readonly include: readonly string[];
  /** True for a TLS connection; the path of the authorities to trust where these are not the usual ones. */
  readonly tls: string | boolean;
}

export const usage = `Writes a first SDL file for a gRPC service.

  npm run import -- HOST:PORT [PACKAGE.SERVICE]       asks the server, by gRPC server reflection
  npm run import -- FILE.proto [PACKAGE.SERVICE]      reads a proto, or a descriptor set (.binpb, .pb, .desc, .protoset, .fds)

  --name NAME      what the upstream is called; without it, as the service is
  --out FILE       where the SDL goes; without it, schema/NAME.graphql
  --force          overwrites what is there
  --include DIR    where imports of the proto are looked up besides; may be repeated
  --tls            connects to the server with TLS
  --tls-ca FILE    the same, trusting the authorities in this PEM file
  --help           shows this

SCHEMA_DIR, PROTO_DIR and PROTO_INCLUDE count as they do for the gateway.
Exit codes: 0 written, 1 something is there already or needs mending, 2 nothing could be imported.
`;

/**
 * Reads a command line.
 *
 * @returns undefined where help is asked for
 * @throws ImportError for what cannot be read
 */
export function readArguments(args: readonly string[]): ImportArguments | undefined {
  const { values, positionals } = parsed(args);
  if (values.help) return undefined;
  const [source, service, ...more] = positionals;
  if (source === undefined || source === '') throw new ImportError('say what to import: HOST:PORT or FILE.proto');
  if (more.length > 0) throw new ImportError(`"${more.join(' ')}" is too much: one service at a time`);
  if (values.name !== undefined && !/^[a-z][a-z0-9_-]*$/.test(values.name)) {
    throw new ImportError(`"${values.name}" cannot name an upstream: use lower-case letters, digits, - and _`);
  }
  return {
    source,
    service,
    name: values.name,
    out: values.out,
    force: values.force ?? false,
    include: values.include ?? [],
    tls: values['tls-ca'] ?? values.tls ?? false,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        name: { type: 'string' },
        out: { type: 'string' },
        force: { type: 'boolean' },
        include: { type: 'string', multiple: true },
        tls: { type: 'boolean' },
        'tls-ca': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new ImportError((error as Error).message);
  }
}
