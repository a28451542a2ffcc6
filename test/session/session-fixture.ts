import type { Control } from '../upstreams/control';

/** By method, what its calls wait for. */
const gates = new WeakMap<Control, Map<string, Promise<void>>>();

function gatesOf(control: Control): Map<string, Promise<void>> {
  const known = gates.get(control);
  if (known) return known;
  const own = new Map<string, Promise<void>>();
  gates.set(control, own);
  const takeTrouble = control.takeTrouble.bind(control);
  control.takeTrouble = (method) => {
    const trouble = takeTrouble(method);
    const gate = own.get(method);
    if (!gate) return trouble;
    return {
      async strike(sent, signal) {
        await gate;
        await trouble?.strike(sent, signal);
      },
    };
  };
  return own;
}

/**
 * Keeps an upstream from answering calls of a method, those that came before excepted, so that a test decides what happens
 * first, and not a clock.
 *
 * @returns Lets them go.
 */
export function hold(control: Control, method: string): () => void {
  const held = gatesOf(control);
  let open = (): void => {};
  held.set(method, new Promise((resolve) => (open = resolve)));
  return () => {
    held.delete(method);
    open();
  };
}
