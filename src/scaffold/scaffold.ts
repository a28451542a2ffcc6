import type { Field, Method, Service, Type } from 'protobufjs';
import { jsonName } from '../proto/proto-model';
import { serviceName } from '../schema/services';
import { descriptionOf } from '../proto/descriptions';
import { deprecation } from './annotations';
import { ConnectionWriter, pagedList, pagingArguments, type PagedList } from './connections';
import { isObject, shapeOf } from './fields';
import { findLookups, type FoundLookup } from './lookups';
import { asName, lowerCamelCase, NameScope, pascalCase, typeScope } from './names';
import { askedRequest } from './requests';
import { requestOf, responseOf, rootFieldNames, rootOf, type RootType } from './rpcs';
import { printSdl, type SdlField, type SdlValue } from './sdl';
import { TypeWriter, valueCanBeNull, wrappedField } from './types';

const rootTypes: readonly RootType[] = ['Query', 'Mutation', 'Subscription'];

/** The names that other files of the schema define, each with its file. */
export interface TakenNames {
  readonly types: ReadonlyMap<string, string>;
  readonly fields: Readonly<Record<RootType, ReadonlyMap<string, string>>>;
}

export interface ScaffoldOptions {
  readonly service: Service;
  /** Name of the upstream. */
  readonly upstream: string;
  readonly taken: TakenNames;
}

/** A first SDL file for a service. */
export interface Scaffold {
  readonly sdl: string;
  /** Names of the root fields, such as `Query.user`. */
  readonly fields: readonly string[];
}

/** Writes a first SDL file for a service. The same service and names give the same file. */
export function scaffold({ service, upstream, taken }: ScaffoldOptions): Scaffold {
  const writer = new ServiceWriter(service, upstream, taken);
  return writer.write();
}

/** A root field whose type is known, and whose arguments are not yet. */
interface AnsweredField {
  readonly method: Method;
  readonly root: RootType;
  readonly type: string;
  readonly paging: PagedList | undefined;
  /** The field of the response that is the answer. */
  readonly response: Field | undefined;
}

class ServiceWriter {
  private readonly methods: readonly Method[];
  private readonly lookups: ReadonlyMap<Type, FoundLookup>;
  private readonly types: TypeWriter;
  private readonly connections: ConnectionWriter;

  constructor(
    private readonly service: Service,
    private readonly upstream: string,
    private readonly taken: TakenNames,
  ) {
    this.methods = service.methodsArray;
    this.lookups = findLookups(this.methods);
    const directives = new Map([...this.lookups].map(([message, { directive }]) => [message, directive]));
    this.types = new TypeWriter(typeScope(taken.types), upstream, directives);
    this.connections = new ConnectionWriter(this.types);
  }

  write(): Scaffold {
    const batches = new Map(
      [...this.lookups.values()].filter(({ isBatch }) => isBatch).map((lookup) => [lookup.method, lookup]),
    );
    const closing: string[] = [];
    // Output types take their names before inputs do, so that messages keep theirs.
    const answered = this.methods.flatMap((method) => {
      if (method.requestStream) closing.push(...streamComment(method));
      return method.requestStream || batches.has(method) ? [] : [this.answer(method)];
    });
    for (const [method, { message }] of batches) {
      // Without a root field the objects could only be reached by a join, which does not exist yet.
      if (!this.types.hasObject(message)) answered.push(this.answer(method));
      else closing.push(`rpc ${method.name}: finds ${this.types.object(message)} by key, for fields with @join.`);
    }
    this.types.settle();
    const fields = this.ask(answered);
    this.types.settle();
    return {
      sdl: printSdl({
        comments: headComments(serviceName(this.service), this.upstream, answered[0]?.method),
        upstream: { name: 'upstream', args: { name: this.upstream, service: serviceName(this.service) } },
        types: [
          ...rootTypes.flatMap((root) => {
            const members = fields.filter((each) => each.root === root).map(({ field }) => field);
            return members.length > 0 ? [{ head: `extend type ${root}`, members, isSpaced: true }] : [];
          }),
          ...this.types.all(),
        ],
        closing: closing.length > 0 ? ['RPCs that have no field of their own:', '', ...closing] : [],
      }),
      fields: fields.map(({ root, field }) => `${root}.${field.name}`),
    };
  }

  /** First step: the type of an RPC's root field. */
  private answer(method: Method): AnsweredField {
    const root = rootOf(method, this.methods);
    const paging = root === 'Query' ? pagedList(method) : undefined;
    if (paging) return { method, root, paging, type: this.connections.nameOf(paging), response: undefined };
    const response = wrappedField(responseOf(method));
    const type = response ? this.types.output(response) : this.whole(responseOf(method));
    // Nullable, so that a field that is refused does not take the data of other fields along.
    return { method, root, paging, response, type: root === 'Query' ? type.replace(/!$/, '') : type };
  }

  private whole(message: Type): string {
    if (isObject(message)) return `${this.types.object(message)}!`;
    return valueCanBeNull(message) ? scalarOf(message) : `${scalarOf(message)}!`;
  }

  /** Second step: the names and arguments of the root fields. */
  private ask(answered: readonly AnsweredField[]): { readonly root: RootType; readonly field: SdlField }[] {
    const scopes = Object.fromEntries(
      rootTypes.map((root) => [root, new NameScope(this.taken.fields[root])]),
    ) as Record<RootType, NameScope>;
    const keyOf = (message: Type): readonly Field[] => this.lookups.get(message)?.match ?? [];
    return answered.map(({ method, root, type, paging, response }) => {
      const names = rootFieldNames(method, root, serviceName(this.service));
      const [first = asName(method.name)] = names;
      const owner = scopes[root].owner(first);
      const prefixed = lowerCamelCase(this.upstream) + pascalCase(first);
      const name = scopes[root].take(
        [...(this.taken.fields[root].has(first) ? [prefixed, ...names] : names), prefixed],
        method.name,
      );
      const comments = owner === undefined ? [] : [`Not ${first}, which ${owner} has.`];
      const { args, mapping } = askedRequest({
        method,
        types: this.types,
        isChange: root === 'Mutation',
        keyOf,
        ...(paging ? { paging: { fields: paging.fields, args: pagingArguments } } : {}),
      });
      const grpc: Record<string, SdlValue> = {
        rpc: method.name,
        ...(mapping === undefined ? {} : { request: mapping }),
        ...(response ? { response: jsonName(response) } : {}),
        // The default deadline would end a stream.
        ...(root === 'Subscription' ? { deadline: '10m' } : {}),
      };
      const field: SdlField = {
        name,
        args,
        type,
        comments,
        description: descriptionOf(method.comment),
        directives: [
          { name: 'requiresScopes', args: { scopes: [[permissionOf(this.upstream, method)]] } },
          { name: 'grpc', args: grpc },
          ...(paging?.directives ?? []),
          ...deprecation(method),
        ],
      };
      return { root, field };
    });
  }
}

/** The scalar that stands for a whole message. */
function scalarOf(message: Type): string {
  const shape = shapeOf({ resolvedType: message, type: message.fullName } as Field);
  return typeof shape === 'string' && message.fieldsArray.length > 0 ? shape : 'Boolean';
}

function permissionOf(upstream: string, method: Method): string {
  return `${upstream}:${method.name}`;
}

function streamComment(method: Method): string[] {
  const answer = `${method.responseStream ? 'stream ' : ''}${responseOf(method).name}`;
  return [
    `rpc ${method.name}(stream ${requestOf(method).name}) returns (${answer}): it takes a stream, which no field can send.`,
  ];
}

function headComments(service: string, upstream: string, example: Method | undefined): string[] {
  const permission = example ? permissionOf(upstream, example) : `${upstream}:...`;
  return [
    `A first draft for ${service}, written by \`npm run import\`. From here on it is yours: edit it.`,
    '',
    `Nobody may ask for anything yet: each root field demands a permission of its own, such as "${permission}",`,
    'which no session has. Put your permissions there, or @authenticated, or @public. A field with @join leads to an object',
    'past its root fields; mark the type as well where that matters.',
    '',
    'All directives are in docs/directives.md.',
  ];
}
