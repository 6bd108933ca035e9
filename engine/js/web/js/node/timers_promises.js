// node:timers/promises

const { setTimeout: start, clearTimeout: stop, setInterval: startInterval, clearInterval: stopInterval, PromiseCtor, invalidArg, ErrorCtor, isAbortSignal, onAbort, rejected } = kit;

function aborted(signal) {
  const e = new ErrorCtor("The operation was aborted", { cause: signal.reason });
  e.name = "AbortError";
  e.code = "ABORT_ERR";
  return e;
}

function signalOf(options) {
  if (options === null || typeof options !== "object") throw invalidArg("options", "of type object", options);
  const { signal, ref } = options;
  if (signal !== undefined && !isAbortSignal(signal)) throw invalidArg("options.signal", "an instance of AbortSignal", signal);
  if (ref !== undefined && typeof ref !== "boolean") throw invalidArg("options.ref", "of type boolean", ref);
  return signal;
}

function wait(delay, value, options) {
  let signal;
  try {
    if (delay !== undefined && typeof delay !== "number") throw invalidArg("delay", "of type number", delay);
    signal = signalOf(options);
  } catch (e) {
    return rejected(e);
  }
  if (signal?.aborted) return rejected(aborted(signal));
  return new PromiseCtor((resolve, reject) => {
    let forget = null;
    const id = start(() => {
      if (forget !== null) forget();
      resolve(value);
    }, delay);
    if (signal !== undefined) {
      forget = onAbort(signal, () => {
        stop(id);
        reject(aborted(signal));
      });
    }
  });
}

async function* setInterval(delay = undefined, value = undefined, options = {}) {
  if (delay !== undefined && typeof delay !== "number") throw invalidArg("delay", "of type number", delay);
  const signal = signalOf(options);
  if (signal?.aborted) throw aborted(signal);
  let due = 0;
  let wake = null;
  const id = startInterval(() => {
    due++;
    wake?.();
  }, delay);
  const forget = signal === undefined ? null : onAbort(signal, () => wake?.());
  try {
    for (;;) {
      if (signal?.aborted) throw aborted(signal);
      if (due === 0) {
        await new PromiseCtor((resolve) => (wake = resolve));
        wake = null;
      }
      for (; due > 0 && !signal?.aborted; due--) yield value;
    }
  } finally {
    if (forget !== null) forget();
    stopInterval(id);
  }
}

const setTimeout = (delay = undefined, value = undefined, options = {}) => wait(delay, value, options);

return {
  setTimeout,
  setImmediate: (value = undefined, options = {}) => wait(0, value, options),
  setInterval,
  scheduler: {
    wait: (delay, options = {}) => wait(delay, undefined, options),
    yield: () => wait(0, undefined, {}),
  },
};
