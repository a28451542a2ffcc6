export const otlpProtocols = ['http/protobuf', 'http/json'] as const;
export type OtlpProtocol = (typeof otlpProtocols)[number];

export const otlpCompressions = ['gzip', 'none'] as const;
export type OtlpCompression = (typeof otlpCompressions)[number];

/** Which requests are recorded. */
export interface Sampling {
  /** Whether the client decides, where it sends a trace. */
  readonly parentBased: boolean;
  /** Part of the other requests, from 0 to 1. */
  readonly ratio: number;
}

/** Where traces are exported to, and what is recorded. */
export interface TracingConfig {
  /** Whole, with the path. */
  readonly url: string;
  readonly protocol: OtlpProtocol;
  /** Secret. */
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: OtlpCompression;
  /** Ms that an export may take. */
  readonly timeout: number;
  readonly serviceName: string;
  readonly resourceAttributes: Readonly<Record<string, string>>;
  readonly sampling: Sampling;
}
