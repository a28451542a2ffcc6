import { demandFreePort } from './upstreams/ports';

/**
 * Ports that nobody listens on, all different, for what has to be told its port. Below those that systems give out on their own,
 * so that no server that listens on port 0 meanwhile gets one of them.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const isFree = await demandFreePort(port).then(
      () => true,
      () => false,
    );
    if (isFree) found.add(port);
  }
  return [...found];
}

/** One of {@link freePorts}. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port!;
}
