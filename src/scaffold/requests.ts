import { Type, type Field, type Method } from 'protobufjs';
import { hasPresence } from '../proto/proto-model';
import { descriptionOf } from '../proto/descriptions';
import { httpRule } from './annotations';
import { isKey, isMask, namedFields, renamed, shapeOf, type NamedField } from './fields';
import { keyFields } from './lookups';
import { NameScope, pascalCase, snakeCase } from './names';
import { isNeeded, requestOf } from './rpcs';
import type { SdlArgument, SdlValue } from './sdl';
import { askedFields, inputStem, isSaidRequired, type TypeWriter } from './types';

/** A request with more fields than this is one input. */
const fewFields = 4;

/** The arguments of a field, and how they become the request. */
export interface AskedRequest {
  readonly args: readonly SdlArgument[];
  /** `request:` of @grpc; undefined where names alone say it. */
  readonly mapping?: SdlValue;
}

export interface RequestOptions {
  readonly method: Method;
  readonly types: TypeWriter;
  /** True where the RPC changes something. */
  readonly isChange: boolean;
  /** The fields that paging fills, and the arguments that it takes. */
  readonly paging?: { readonly fields: ReadonlySet<Field>; readonly args: readonly SdlArgument[] };
  /** The fields that hold the key of a message; none where it has no look-up. */
  readonly keyOf: (message: Type) => readonly Field[];
}

/**
 * The arguments of a field. Where the RPC is about one message, that message as `input` and the fields beside it; else the
 * fields of the request where these are few and simple; else the whole request as `input`.
 */
export function askedRequest(options: RequestOptions): AskedRequest {
  const { method, paging } = options;
  const fields = askedFields(requestOf(method)).filter(({ field }) => !paging?.fields.has(field));
  const writer = new RequestWriter(options, fields);
  const asked = writer.body() ?? writer.plain() ?? writer.whole();
  return { ...asked, args: [...(paging?.args ?? []), ...asked.args] };
}

class RequestWriter {
  private readonly request: Type;
  private readonly scope: NameScope;
  private readonly masks: readonly NamedField[];
  private readonly others: readonly NamedField[];

  constructor(
    private readonly options: RequestOptions,
    fields: readonly NamedField[],
  ) {
    this.request = requestOf(options.method);
    this.scope = new NameScope((options.paging?.args ?? []).map(({ name }) => [name, 'paging']));
    this.masks = fields.filter(({ field }) => isMask(field));
    this.others = fields.filter(({ field }) => !isMask(field));
  }

  /** Each field as an argument of its own. */
  plain(): AskedRequest | undefined {
    if (!areFew(this.others)) return undefined;
    return { args: [...this.others, ...this.masks].map((each) => this.argument(each)) };
  }

  /** The whole request as `input`. Masks stay arguments of their own: lists of paths. */
  whole(): AskedRequest {
    const { method, types, paging } = this.options;
    const name = this.scope.take(['input'], 'the request');
    const isRequired = (field: Field): boolean => isNeeded(method, field);
    const type = types.inputOf(this.request, inputStem(this.request), this.others, isRequired);
    // A list can be asked for without any input.
    const isOptional = paging !== undefined && !this.others.some(({ field }) => isRequired(field));
    const args = [{ name, type: isOptional ? type : `${type}!` }, ...this.masks.map((each) => this.argument(each))];
    // An argument that is called as a field of the request goes to that field.
    return this.others.some((each) => each.name === name) ? { args, mapping: `$args.${name}` } : { args };
  }

  /** The message that the RPC is about as `input`. The mask of an update is made from what the client sends. */
  body(): AskedRequest | undefined {
    const { method, types, isChange } = this.options;
    const body = bodyOf(method, this.others);
    const beside = this.others.filter((each) => each !== body);
    if (!body || !areFew(beside)) return undefined;
    const message = body.field.resolvedType as Type;
    const [mask, ...moreMasks] = this.masks;
    const isMasked =
      mask !== undefined && moreMasks.length === 0 && isChange && !/read|view|return/.test(mask.field.name);
    const keys = isMasked || isUpdate(method, body.field) ? this.bodyKeys(body.field, beside) : [];

    const args: SdlArgument[] = keys.map(({ field, name }) => ({
      name: this.scope.take([name], field.name),
      type: `${types.input(field)}!`,
      description: descriptionOf(field.comment),
    }));
    args.push(...beside.map((each) => this.argument(each)));
    const input = this.scope.take(['input', body.name], body.field.name);
    args.push({ name: input, type: `${this.bodyType(message, keys, isMasked)}!` });
    if (!isMasked) args.push(...this.masks.map((each) => this.argument(each)));

    const own = Object.fromEntries(keys.map((key) => [addressOf(message, key), `$args.${key.name}`]));
    const value = keys.length > 0 ? [`$args.${input}`, own] : `$args.${input}`;
    return { args, mapping: { [addressOf(this.request, body)]: value } };
  }

  /** The input type of the message. A partial update requires no field. */
  private bodyType(message: Type, keys: readonly NamedField[], isMasked: boolean): string {
    const { types } = this.options;
    if (keys.length === 0 && !isMasked) return types.inputObject(message);
    const fields = askedFields(message).filter(({ field }) => !keys.some((key) => key.field === field));
    const isRequired = isMasked ? ({ required }: Field) => required : isSaidRequired;
    return types.inputOf(message, inputStem(this.request), fields, isRequired);
  }

  /** The key fields of a message to be changed: they say which one, and are not changed themselves. */
  private bodyKeys(body: Field, beside: readonly NamedField[]): readonly NamedField[] {
    const { method, keyOf } = this.options;
    const message = body.resolvedType as Type;
    const fields = namedFields(message);
    const known = keyOf(message);
    const inPath = httpRule(method)?.pathFields.find((path) => path.startsWith(`${body.name}.`));
    const usual = [inPath?.slice(body.name.length + 1) ?? '', 'name', 'id', `${snakeCase(message.name)}_id`];
    const named = usual.map((name) => fields.find(({ field }) => snakeCase(field.name) === name)).find((each) => each);
    const keys = known.length > 0 ? fields.filter(({ field }) => known.includes(field)) : named ? [named] : [];
    const isTaken = keys.some(({ name }) => name === 'input' || beside.some((each) => each.name === name));
    const isAll = askedFields(message).every(({ field }) => keys.some((key) => key.field === field));
    return isTaken || isAll || !keys.every(({ field }) => isKey(field)) ? [] : keys;
  }

  /** True for the only field of a request, which the call makes no sense without: `name` of GetBook. */
  private isOnlyKey(field: Field): boolean {
    const { method, isChange } = this.options;
    const [only, ...more] = this.request.fieldsArray.filter((each) => !isMask(each));
    const isOnly = only === field && more.length === 0 && isKey(field) && !hasPresence(field);
    return isOnly && (isChange || method.name.startsWith('Get'));
  }

  private argument({ field, name }: NamedField): SdlArgument {
    const { method, types } = this.options;
    const taken = this.scope.take([name, `${name}Value`], field.name);
    const isRequired = isNeeded(method, field) || keyFields(method).includes(field) || this.isOnlyKey(field);
    return {
      name: taken,
      type: types.input(field) + (isRequired ? '!' : ''),
      description: descriptionOf(field.comment),
      directives: renamed(this.request, field, taken),
    };
  }
}

/** True for fields that are few and simple enough to be arguments of their own. */
function areFew(fields: readonly NamedField[]): boolean {
  return fields.length <= fewFields && fields.every(({ field }) => !(shapeOf(field) instanceof Type));
}

/** The message field that an RPC is about: its HTTP body, or what CreateBook calls book. */
function bodyOf(method: Method, fields: readonly NamedField[]): NamedField | undefined {
  const [object, ...more] = fields.filter(({ field }) => shapeOf(field) instanceof Type);
  if (!object || more.length > 0 || object.field.repeated) return undefined;
  const { field } = object;
  const names = [pascalCase(field.name), (field.resolvedType as Type).name];
  const isNamed = names.some((name) => method.name !== name && pascalCase(method.name).endsWith(name));
  return isNamed || httpRule(method)?.body === field.name ? object : undefined;
}

/** True for an RPC that changes a message that is there already. */
function isUpdate(method: Method, body: Field): boolean {
  const isInPath = httpRule(method)?.pathFields.some((path) => path.startsWith(`${body.name}.`)) ?? false;
  return isInPath || /^(Update|Patch|Replace|Modify)/.test(method.name);
}

/** The name of a field in a mapping. */
function addressOf(type: Type, { field, name }: NamedField): string {
  const address = renamed(type, field, name)[0]?.args['field'];
  return typeof address === 'string' ? address : name;
}
