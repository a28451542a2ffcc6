import NodeEnvironment from 'jest-environment-node';

/** Kinds of resources that stay until somebody closes them (`process.getActiveResourcesInfo`). Jest has timers of its own. */
const kinds = /^(?:TCP|TLS|Pipe|UDP|Process|FSEvent|StatWatcher|Worker|MessagePort)/;

/** How long after a file's last test what it has closed may take to be gone, ms. */
const grace = 10_000;

/**
 * Node, and a look at what a file of tests leaves behind: sockets, servers, child processes and watchers. Such a
 * file fails, since it is the next one in the process that would suffer.
 */
// Jest asks for a default export.
// oxlint-disable-next-line import/no-default-export
export default class TidyEnvironment extends NodeEnvironment {
  private readonly before: ReadonlyMap<string, number>;

  constructor(...args: ConstructorParameters<typeof NodeEnvironment>) {
    super(...args);
    // Node opens the pipes of a worker's output when they are first asked for, such as by a warning in the middle of a test.
    void [process.stdout, process.stderr];
    this.before = openResources();
    // As Node has it. Jest sets 100, and then most of what tests with thousands of errors do is write down stack traces.
    this.global.Error.stackTraceLimit = 10;
  }

  override async teardown(): Promise<void> {
    try {
      await this.tidy();
    } finally {
      await super.teardown();
    }
  }

  private async tidy(): Promise<void> {
    const end = performance.now() + grace;
    for (let left = this.left(); left.length > 0; left = this.left()) {
      if (performance.now() > end) throw new Error(`the tests are over and leave open: ${left.join(', ')}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** What is open and was not before, such as `2 TCPSocketWrap`. */
  private left(): string[] {
    return [...openResources()].flatMap(([kind, count]) => {
      const more = count - (this.before.get(kind) ?? 0);
      return more > 0 ? [`${more} ${kind}`] : [];
    });
  }
}

function openResources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (kinds.test(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}
