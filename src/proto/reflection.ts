import { parse, type Message } from 'protobufjs';
import { Status, statusName, type CallEnd } from '../grpc/status';
import { createTransport } from '../grpc/transport/create-transport';
import type { TlsMaterial, Transport } from '../grpc/transport/transport';

/** What reflection is asked and answers, and what is read of the files in it; both versions are the same but for the package. */
const { root: messages } = parse(
  `
  syntax = "proto3";
  message Request {
    oneof message_request {
      string file_by_filename = 3;
      string file_containing_symbol = 4;
      string list_services = 7;
    }
  }
  message Response {
    message Files { repeated bytes file_descriptor_proto = 1; }
    message Services { repeated Service service = 1; }
    message Service { string name = 1; }
    message Error { int32 error_code = 1; string error_message = 2; }
    oneof message_response {
      Files file_descriptor_response = 4;
      Services list_services_response = 6;
      Error error_response = 7;
    }
  }
  message File {
    string name = 1;
    repeated string dependency = 3;
  }
`,
  { keepCase: true },
);
const [requestType, responseType, fileType] = ['Request', 'Response', 'File'].map((name) => messages.lookupType(name));

/** Bytes. One answer may hold the files of all that a service needs. */
const maxAnswerSize = 256 * 1024 * 1024;

/** The newest first: what a server has is used. */
const versions = ['v1', 'v1alpha'];

type Question = Readonly<Partial<Record<'file_by_filename' | 'file_containing_symbol' | 'list_services', string>>>;

interface Answer {
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Uint8Array[] } | null;
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] } | null;
  readonly error_response?: { readonly error_code: number; readonly error_message: string } | null;
}

/** A server that cannot be asked, or does not answer what it must. */
export class ReflectionError extends Error {
  override readonly name = 'ReflectionError';
}

export interface ReflectionOptions {
  /** A gRPC target, such as `localhost:50051`. */
  readonly target: string;
  /** PEM of the authorities to trust, or true for the usual ones; a plain connection where it is left out. */
  readonly tls?: Buffer | true;
  /** Ms that all of it may take. */
  readonly timeout?: number;
}

/** A server's own account of its services. */
export interface ServerReflection {
  /** Full names of the services, without those that are there for tools. */
  services(): Promise<string[]>;
  /** The files that define a service and all that it needs: each a google.protobuf.FileDescriptorProto. */
  filesOf(service: string): Promise<Uint8Array[]>;
}

/**
 * Asks a server by gRPC server reflection, v1 or v1alpha, and ends the connection behind it.
 *
 * @throws ReflectionError where it cannot be reached, has no reflection, or does not know what it is asked for
 * @see https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
 */
export async function reflect<T>(
  options: ReflectionOptions,
  ask: (server: ServerReflection) => Promise<T>,
): Promise<T> {
  const { target, tls, timeout = 10_000 } = options;
  const transport = connect(target, tls === true ? {} : tls && { ca: tls });
  const deadline = Date.now() + timeout;
  try {
    for (const version of versions) {
      try {
        return await ask(new VersionedReflection(transport, version, deadline));
      } catch (error) {
        if (!(error instanceof StreamStatusError)) throw error;
        if (error.end.code !== Status.UNIMPLEMENTED) throw failure(target, error.end);
      }
    }
    throw new ReflectionError(`${target} has no server reflection. Import the service from its .proto file instead.`);
  } finally {
    transport.close();
  }
}

function connect(target: string, tls: TlsMaterial | undefined): Transport {
  try {
    return createTransport('http2', { target, tls, maxMessageSize: maxAnswerSize });
  } catch (error) {
    throw new ReflectionError((error as Error).message, { cause: error });
  }
}

/** A stream that ended with a status other than OK. */
class StreamStatusError extends Error {
  constructor(readonly end: CallEnd) {
    super(end.details);
  }
}

class VersionedReflection implements ServerReflection {
  constructor(
    private readonly transport: Transport,
    private readonly version: string,
    private readonly deadline: number,
  ) {}

  async services(): Promise<string[]> {
    const { list_services_response: list } = await this.ask({ list_services: '*' });
    const names = list?.service.map(({ name }) => name) ?? [];
    return names.filter((name) => !/^grpc\.(reflection|health|channelz)\./.test(name)).sort();
  }

  async filesOf(service: string): Promise<Uint8Array[]> {
    const files = new Map<string, Uint8Array>();
    const missing = new Set<string>();
    const add = ({ file_descriptor_response: found }: Answer): void => {
      for (const bytes of found?.file_descriptor_proto ?? []) {
        const { name, dependency } = fileType!.decode(bytes) as Message & { name: string; dependency: string[] };
        if (!files.has(name)) files.set(name, bytes);
        for (const each of dependency) missing.add(each);
      }
    };
    add(await this.ask({ file_containing_symbol: service }));
    // More are added while it goes.
    for (const name of missing) if (!files.has(name)) add(await this.ask({ file_by_filename: name }));
    return [...files.values()];
  }

  /** An answer; empty where the server does not have what was asked for. */
  private async ask(question: Question): Promise<Answer> {
    const answer = responseType!.decode(await this.call(requestType!.encode(question).finish())) as Answer;
    const { error_response: error } = answer;
    if (!error || error.error_code === Status.NOT_FOUND) return answer;
    throw new ReflectionError(`reflection answers ${statusName(error.error_code)}: ${error.error_message}`);
  }

  /** The RPC takes and gives streams; one message each way is a stream too. */
  private call(message: Uint8Array): Promise<Buffer> {
    const path = `/grpc.reflection.${this.version}.ServerReflection/ServerReflectionInfo`;
    return new Promise((resolve, reject) => {
      let answer: Buffer | undefined;
      this.transport.call(
        { path, metadata: [], message, deadline: this.deadline },
        {
          message(bytes) {
            answer ??= bytes;
          },
          ended(end) {
            if (end.code !== Status.OK) reject(new StreamStatusError(end));
            else if (answer) resolve(answer);
            else reject(new ReflectionError('reflection ended without an answer'));
          },
        },
      );
    });
  }
}

function failure(target: string, { code, details }: CallEnd): ReflectionError {
  const isAway = code === Status.UNAVAILABLE || code === Status.DEADLINE_EXCEEDED;
  return new ReflectionError(
    `${target} ${isAway ? 'cannot be reached' : 'refuses reflection'}: ${statusName(code)}, ${details}`,
  );
}
