import type { CallSpan } from '../telemetry/trace';
import type { RpcReports } from './call-reports';
import type { CallRequest } from './transport/transport';

/** A call that is about to be made. */
export interface PreparedCall {
  readonly request: CallRequest;
  /** What records it, if anything does. */
  readonly span: CallSpan | undefined;
  readonly reports: RpcReports;
  /** The most items that a message of its answer may have. */
  readonly maxItems: number;
  /** To be called once it is over. */
  readonly onEnd: () => void;
}
