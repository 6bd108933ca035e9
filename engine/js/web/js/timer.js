// Timers. The host counts the time and calls back with a timer's number; functions and arguments stay here.

const timers = new MapCtor();

function startTimer(fn, ms, repeat, args) {
  // In the standard a delay has 32 bits, and 25 days are none. On Cloudflare it is as long as it says.
  ms = trunc(+ms);
  if (!(ms > 0)) ms = 0;
  const id = host.timerStart(ms, repeat);
  mapSet(timers, id, { __proto__: null, fn: contextual(fn), repeat, args });
  return id;
}

function timerFunction(name, fn) {
  if (typeof fn === "function") return fn;
  throw new TypeErrorCtor(`${name}: the first argument must be a function, not ${typeName(fn)}`);
}

function setTimeout(callback, delay = 0, ...args) {
  return startTimer(timerFunction("setTimeout", callback), delay, false, args);
}

function setInterval(callback, delay = 0, ...args) {
  return startTimer(timerFunction("setInterval", callback), delay, true, args);
}

function clearTimer(id) {
  if (id === undefined || id === null) return;
  id = +id;
  if (mapDelete(timers, id)) host.timerStop(id);
}

function clearTimeout(id = undefined) {
  clearTimer(id);
}

function clearInterval(id = undefined) {
  clearTimer(id);
}

// fireTimer is called by the host. It returns false for a timer that is no longer there.
function fireTimer(id) {
  const t = mapGet(timers, id);
  if (t === undefined) return false;
  if (!t.repeat) mapDelete(timers, id);
  apply(t.fn, globalObject, t.args);
  return true;
}

class Scheduler {
  constructor(key = undefined) {
    if (key !== internal) throw illegalConstructor();
  }
  wait(delay, options = undefined) {
    return attempt(() => {
      const signal = options == null ? undefined : options.signal;
      if (signal !== undefined && !isAbortSignal(signal)) throw new TypeErrorCtor(`scheduler.wait: signal must be an AbortSignal, not ${typeName(signal)}`);
      if (signal !== undefined && signal.aborted) throw signal.reason;
      return new PromiseCtor((resolve, reject) => {
        let forget = null;
        const id = startTimer(
          () => {
            if (forget !== null) forget();
            resolve(undefined);
          },
          delay,
          false,
          [],
        );
        if (signal !== undefined) {
          forget = onAbort(signal, () => {
            clearTimer(id);
            reject(signal.reason);
          });
        }
      });
    });
  }
}
webClass(Scheduler, "Scheduler");
