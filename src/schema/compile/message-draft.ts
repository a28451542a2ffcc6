import type { Field, Type } from 'protobufjs';
import type { GatewayError } from '../../errors';
import { newMessage } from '../../internals/protobufjs';
import { compileMessageRules } from '../../proto/message-rules';
import { type Fields } from '../../proto/proto-model';
import type { Args, Caller } from '../resolver-context';

/** Makes a message from a field's arguments, the session and the message that the field belongs to. */
export type MessageBuilder = (args: Args, caller: Caller | GatewayError, parent: unknown) => Fields;

/** Makes one value of a message; undefined where the value is left out. */
export type ValueBuilder = (args: Args, caller: Caller | GatewayError, parent: unknown) => unknown;

/** Fills some fields of a message. */
type Fill = (target: Fields, args: Args, caller: Caller | GatewayError, parent: unknown) => void;

/**
 * Adds the paths of what a client sent of a message.
 *
 * @param at - The path of the message.
 */
type AddPaths = (args: Args, at: string, found: string[]) => void;

/** A message of a request while it is compiled. */
export class MessageDraft {
  private readonly fills: Fill[] = [];
  private readonly paths: AddPaths[] = [];
  /** The names that clients know the filled fields by, by the names in the proto. */
  private readonly clientNames = new Map<string, string>();

  /** @param depth - How many messages enclose it. */
  constructor(
    readonly type: Type,
    readonly depth = 0,
  ) {}

  isFilled({ name }: Field): boolean {
    return this.clientNames.has(name);
  }

  /** Whether a client sends any of it. */
  get isSent(): boolean {
    return this.paths.length > 0;
  }

  /** @param clientName - The name that clients know the value by. */
  set({ name }: Field, clientName: string, value: ValueBuilder): void {
    this.addFill([[name, clientName]], (target, args, caller, parent) => {
      const result = value(args, caller, parent);
      if (result !== undefined) target[name] = result;
    });
  }

  /** @param names - The fields that this fills: each name in the proto, with the name that clients know it by. */
  addFill(names: Iterable<readonly [name: string, clientName: string]>, fill: Fill): void {
    for (const [name, clientName] of names) this.clientNames.set(name, clientName);
    this.fills.push(fill);
  }

  /** Notes which of its paths a client may send. */
  notePaths(addPaths: AddPaths): void {
    this.paths.push(addPaths);
  }

  /** The paths of what a client sent, as in a google.protobuf.FieldMask. */
  addSentPaths(args: Args, at: string, found: string[]): void {
    for (const addPaths of this.paths) addPaths(args, at, found);
  }

  /** Compiles how the message is made, and the rules that it must keep. */
  compile(): MessageBuilder {
    const { fills, clientNames } = this;
    const rules = compileMessageRules(this.type, (name) => clientNames.get(name) ?? name);
    return (args, caller, parent) => {
      const target = newMessage();
      for (const fill of fills) fill(target, args, caller, parent);
      rules?.(target);
      return target;
    };
  }
}
