// The async context: what AsyncLocalStorage, withEnv and withExports are made of.

// contextual(f) calls f in the async context of now. Until a program uses contexts there are none.
let contextual = (f) => f;
function contextualNow(f) {
  return contextual(f);
}
function useContexts() {
  host.useContexts();
  contextual = host.contextual;
}

// Slots of the async context. A frame is an array of keys and values, which is not changed after it was made.
function contextValue(key) {
  const frame = host.context();
  if (frame !== undefined) for (let i = 0; i < frame.length; i += 2) if (frame[i] === key) return frame[i + 1];
  return undefined;
}
function contextHas(key) {
  const frame = host.context();
  if (frame !== undefined) for (let i = 0; i < frame.length; i += 2) if (frame[i] === key) return true;
  return false;
}

// enterContext makes value current under key and returns the frame that was current before, for leaveContext.
function enterContext(key, value) {
  const was = host.context();
  const frame = [];
  let n = 0;
  if (was !== undefined) {
    for (let i = 0; i < was.length; i += 2) {
      if (was[i] === key) continue;
      defineIndex(frame, n++, was[i]);
      defineIndex(frame, n++, was[i + 1]);
    }
  }
  defineIndex(frame, n++, key);
  defineIndex(frame, n, value);
  host.setContext(frame);
  return was;
}

// defineIndex sets an element of an array that is longer by it, past whatever a program has put on Array.prototype.
function defineIndex(array, i, value) {
  defineProperty(array, i, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
}
