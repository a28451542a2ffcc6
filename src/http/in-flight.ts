import { GatewayError, overloaded } from '../errors';
import type { Place, Places } from './places';

/** How much may be under way at a time. Streams do not count as requests once they have begun. */
export interface InFlightLimits {
  readonly requests: number;
  readonly requestsPerAddress: number;
  readonly streams: number;
  readonly streamsPerAddress: number;
  readonly streamsPerSession: number;
}

/** Seconds after which a refused client may try again: most requests take less. */
const retryAfter = 1;

/** A request that counts. */
export class Ticket {
  isStream = false;
  session: string | undefined = undefined;

  constructor(readonly place: Place) {}
}

/** Counts requests and streams that are under way, and refuses those that are too many. */
export class InFlight {
  private requests = 0;
  private streams = 0;
  /** Streams of each session that has any. */
  private readonly sessions = new Map<string, number>();

  constructor(
    private readonly limits: InFlightLimits,
    private readonly places: Places,
  ) {}

  /**
   * Counts a request until its ticket is given back.
   *
   * @throws GatewayError RATE_LIMITED where its address has too many under way, OVERLOADED where all together have
   */
  begin(place: Place): Ticket {
    const { requests, requestsPerAddress } = this.limits;
    if (place.requests >= requestsPerAddress) {
      this.places.release(place);
      throw new GatewayError(
        'RATE_LIMITED',
        `There are ${place.requests} requests under way from this address, the most that one may have.`,
        { retryAfter, limit: 'requests_per_address' },
      );
    }
    if (this.requests >= requests) {
      this.places.release(place);
      throw overloaded('requests');
    }
    place.requests += 1;
    this.requests += 1;
    return new Ticket(place);
  }

  /**
   * From now on, counts a request as a stream. Says why not, where there are too many: it goes on counting as a request then.
   *
   * @param session - Left out where the stream is nobody's.
   */
  beginStream(ticket: Ticket, session: string | undefined): GatewayError | undefined {
    if (ticket.isStream) return undefined;
    const { place } = ticket;
    const { streams, streamsPerAddress, streamsPerSession } = this.limits;
    const ofSession = session === undefined ? 0 : (this.sessions.get(session) ?? 0);
    if (ofSession >= streamsPerSession) {
      return new GatewayError(
        'RATE_LIMITED',
        `This session has ${ofSession} streams open, the most that one may have. Close one first.`,
        { retryAfter, limit: 'streams_per_session' },
      );
    }
    if (place.streams >= streamsPerAddress) {
      return new GatewayError(
        'RATE_LIMITED',
        `There are ${place.streams} streams open from this address, the most that one may have.`,
        { retryAfter, limit: 'streams_per_address' },
      );
    }
    if (this.streams >= streams) return overloaded('streams');
    this.countStream(ticket, session);
    return undefined;
  }

  /** From now on, counts a request as a stream in place of another one. No limit applies, since there is no stream more. */
  continueStream(ticket: Ticket, former: Ticket): void {
    this.end(former);
    this.countStream(ticket, former.session);
  }

  private countStream(ticket: Ticket, session: string | undefined): void {
    const { place } = ticket;
    ticket.isStream = true;
    ticket.session = session;
    place.requests -= 1;
    place.streams += 1;
    this.requests -= 1;
    this.streams += 1;
    if (session !== undefined) this.sessions.set(session, (this.sessions.get(session) ?? 0) + 1);
  }

  /** To be called once for each ticket, when nothing of its request is left. */
  end({ place, isStream, session }: Ticket): void {
    if (isStream) {
      place.streams -= 1;
      this.streams -= 1;
      if (session !== undefined) this.endStreamOf(session);
    } else {
      place.requests -= 1;
      this.requests -= 1;
    }
    this.places.release(place);
  }

  private endStreamOf(session: string): void {
    const left = (this.sessions.get(session) ?? 0) - 1;
    if (left > 0) this.sessions.set(session, left);
    else this.sessions.delete(session);
  }
}
