import type { OperationTypeNode } from 'graphql';
import { catalogue, type ErrorCode } from '../errors';
import type { Metrics } from '../telemetry/metrics';

/** Counts operations and their errors. */
export interface OperationCounts {
  /** @param began - When the pipeline was given the operation, in ms by the monotonic clock. */
  executed(type: OperationTypeNode, began: number): void;
  /** @param type - Undefined where no operation was chosen yet. */
  failed(type: OperationTypeNode | undefined, code: ErrorCode): void;
}

/** Makes every series when the gateway is put together, so that counting looks nothing up by labels. */
export function createOperationCounts({ graphqlRequests, graphqlDuration, graphqlErrors }: Metrics): OperationCounts {
  const executed = byType((operation_type) => ({
    requests: graphqlRequests.series({ operation_type }),
    duration: graphqlDuration.series({ operation_type }),
  }));
  const codes = Object.keys(catalogue) as ErrorCode[];
  const errorsOf = (operation_type: string) =>
    new Map(codes.map((code) => [code, graphqlErrors.series({ operation_type, code })]));
  const errors = { ...byType(errorsOf), unknown: errorsOf('unknown') };

  return {
    executed(type, began) {
      const { requests, duration } = executed[type];
      requests.inc();
      duration.observe((performance.now() - began) / 1000);
    },
    failed(type, code) {
      errors[type ?? 'unknown'].get(code)?.inc();
    },
  };
}

function byType<T>(make: (type: string) => T): Record<OperationTypeNode, T> {
  return { query: make('query'), mutation: make('mutation'), subscription: make('subscription') };
}
