/** Development only. google.protobuf.Timestamp as proto-loader takes and gives it. */

/** Seconds since 1970 and what is left in nanoseconds; the seconds come decoded as a string. */
export interface Timestamp {
  seconds: string | number;
  nanos: number;
}

/** A moment as a Timestamp. */
export function toTimestamp(date: Date): Timestamp {
  const seconds = Math.floor(date.getTime() / 1_000);
  return { seconds, nanos: (date.getTime() - seconds * 1_000) * 1_000_000 };
}

/** A Timestamp as a moment, to the millisecond. */
export function fromTimestamp({ seconds, nanos }: Timestamp): Date {
  return new Date(Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000));
}
