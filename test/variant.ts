/** What a run of the tests is made with: jest.config.js has a project for each. */
export interface Variant {
  readonly graphqlServer: 'native' | 'yoga';
  readonly transport: 'http2' | 'grpc-js';
}

export const { variant } = globalThis as typeof globalThis & { readonly variant: Variant };
