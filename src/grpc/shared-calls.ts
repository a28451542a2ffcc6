import type { Rpc, SharedAnswers } from './upstream';

/** The calls that one operation has made, where an equal one may share the answer: unary, and without side effects. */
export class SharedCalls implements SharedAnswers {
  private readonly answers = new Map<string, Promise<unknown>>();

  answer<Response>(
    { service, method, idempotency }: Rpc<never, Response>,
    message: Buffer,
    make: () => Promise<Response>,
  ): Promise<Response> {
    if (idempotency !== 'NO_SIDE_EFFECTS') return make();
    const key = `${service}/${method} ${message.toString('latin1')}`;
    // Of one type for all calls of an RPC.
    const known = this.answers.get(key) as Promise<Response> | undefined;
    if (known) return known;
    const made = make();
    this.answers.set(key, made);
    return made;
  }

  clear(): void {
    this.answers.clear();
  }
}
