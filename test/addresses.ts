import { prefixOf, sourceFolders } from '../src/config/config';
import { loadSources } from '../src/schema/sources';

/** An address for each upstream of the schema, at which nobody listens: no test is about all the services that there are. */
export function addresses(upstreamNames = loadSources(sourceFolders({})).upstreamNames): Record<string, string> {
  return Object.fromEntries(upstreamNames.map((name) => [`${prefixOf(name)}_SERVICE_ADDR`, '127.0.0.1:1']));
}
