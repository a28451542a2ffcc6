import { placeOf } from './client-address';

/** Where clients are: what one address, or one network of IPv6, has under way. */
export interface Place {
  readonly name: string;
  connections: number;
  requests: number;
  streams: number;
}

/** The places that have anything under way. */
export class Places {
  private readonly places = new Map<string, Place>();

  /**
   * The place of an address. Whoever finds one counts something there, or gives it back by {@link release}.
   *
   * @param address - As `normalAddress()` writes it.
   */
  find(address: string): Place {
    const name = placeOf(address);
    const known = this.places.get(name);
    if (known) return known;
    const place = { name, connections: 0, requests: 0, streams: 0 };
    this.places.set(name, place);
    return place;
  }

  /** Forgets a place that has nothing under way. */
  release(place: Place): void {
    if (place.requests === 0 && place.streams === 0 && place.connections === 0) this.places.delete(place.name);
  }
}
