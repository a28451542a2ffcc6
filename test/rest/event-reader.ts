import type { Decoded } from '../gateway-fixture';

/** An event of a stream, as a client reads it. */
export interface Event {
  readonly event: string;
  readonly id?: string;
  readonly data: Decoded;
}

/** Reads server-sent events. */
export function fromSse(text: string): Event[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '' && block !== ':')
    .map((block) => {
      const fields = Object.fromEntries(
        block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      const { event = 'message', id, data = '' } = fields;
      return { event, ...(id === undefined ? {} : { id }), data: JSON.parse(data) };
    });
}

/** Reads lines of JSON. */
export const fromLines = (text: string): Event[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event);

/** Reads a stream as it comes. */
export class EventReader {
  private lazyReader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  private readonly decoder = new TextDecoder();
  private text = '';
  private readonly events: Event[] = [];

  constructor(readonly response: Response) {}

  private get reader(): ReadableStreamDefaultReader<Uint8Array> {
    return (this.lazyReader ??= this.response.body!.getReader());
  }

  private get separator(): string {
    return this.response.headers.get('content-type')?.startsWith('text/event-stream') ? '\n\n' : '\n';
  }

  /** Reads until there are so many events; of a stream that ends or breaks off before, those that came. */
  async read(count = Infinity): Promise<Event[]> {
    while (this.events.length < count) {
      const chunk = await this.reader.read().catch(() => ({ done: true, value: undefined }));
      if (chunk.done) break;
      this.text += this.decoder.decode(chunk.value, { stream: true });
      const end = this.text.lastIndexOf(this.separator) + this.separator.length;
      if (end < this.separator.length) continue;
      const whole = this.text.slice(0, end);
      this.text = this.text.slice(end);
      this.events.push(...(this.separator === '\n' ? fromLines(whole) : fromSse(whole)));
    }
    return this.events;
  }

  /** Leaves the stream. */
  async cancel(): Promise<void> {
    await this.reader.cancel();
  }
}
