// WritableStream, its controller and its writer (Streams standard, section 5).

const isWritable = 0;
const isErroring = 1;
const isWritten = 2; // closed
const isFailed = 3; // errored

const writerLockedText = "This WritableStream is currently locked to a writer.";
const writerReleasedText = "This WritableStream writer has been released.";

let writableOf; // (object) the record of a WritableStream; throws if it is none
let isWritableStream;

function newWritable() {
  return {
    __proto__: null, object: null, state: isWritable, error: undefined, writer: null, controller: null, backpressure: false,
    requests: newQueue(), // promises of writes
    write: null, // the promise of the write under way
    closing: null, // the promise of a close that was asked for
    close: null, // and of the one under way
    abort: null, // {promise, reason, erroring}
  };
}

function writableObject(s) {
  if (s.object === null) s.object = new WritableStream(internal, s);
  return s.object;
}

class WritableStream {
  #s;
  constructor(underlyingSink = undefined, strategy = undefined) {
    if (underlyingSink === internal) {
      this.#s = strategy;
      return;
    }
    if (underlyingSink !== undefined && !isObject(underlyingSink)) throw new TypeErrorCtor(`WritableStream: the sink must be an object, not ${typeName(underlyingSink)}`);
    const given = strategyFrom(strategy);
    const sink = underlyingSink === undefined ? emptyDictionary : underlyingSink;
    const abort = method(sink, "abort", "WritableStream");
    const close = method(sink, "close", "WritableStream");
    const start = method(sink, "start", "WritableStream");
    const type = sink.type;
    const write = method(sink, "write", "WritableStream");
    if (type !== undefined) throw new RangeErrorCtor("WritableStream: a sink has no type");
    const s = newWritable();
    s.object = this;
    this.#s = s;
    const size = sizeOf(given);
    const c = newWritableController(s, highWaterMarkOf(given, 1), size);
    const writing = callback(write, underlyingSink, 2);
    c.write = (chunk) => writing(chunk, writableControllerObject(c));
    c.close = callback(close, underlyingSink, 0);
    c.abort = callback(abort, underlyingSink, 1);
    startWritable(s, c, start === null ? undefined : () => apply(start, underlyingSink, [writableControllerObject(c)]));
  }
  get locked() {
    return this.#s.writer !== null;
  }
  abort(reason = undefined) {
    try {
      const s = this.#s;
      if (s.writer !== null) throw new TypeErrorCtor(writerLockedText);
      return writableAbort(s, reason);
    } catch (e) {
      return refused(e);
    }
  }
  close() {
    try {
      const s = this.#s;
      if (s.writer !== null) throw new TypeErrorCtor(writerLockedText);
      if (closeAsked(s)) throw new TypeErrorCtor("The WritableStream is being closed already");
      return writableClose(s);
    } catch (e) {
      return refused(e);
    }
  }
  getWriter() {
    return writerObject(acquireWriter(this.#s));
  }
  static {
    isWritableStream = (v) => typeof v === "object" && v !== null && #s in v;
    writableOf = (v) => {
      if (!isWritableStream(v)) throw new TypeErrorCtor(`A WritableStream is needed, not ${typeName(v)}`);
      return v.#s;
    };
  }
}
webClass(WritableStream, "WritableStream");

function newWritableController(stream, highWaterMark, size) {
  return {
    __proto__: null, object: null, stream, queue: newQueue(), total: 0, started: false, size, highWaterMark, write: null, close: null,
    abort: null, signal: null, aborted: false, reason: undefined,
  };
}

function writableControllerObject(c) {
  if (c.object === null) c.object = new WritableStreamDefaultController(internal, c);
  return c.object;
}

// startWritable connects a controller and runs start, if there is one.
function startWritable(s, c, start) {
  s.controller = c;
  setBackpressure(s, writableBackpressure(c));
  const result = start === undefined ? undefined : start();
  react(
    promised(result),
    () => {
      c.started = true;
      writableAdvance(c);
    },
    (e) => {
      c.started = true;
      writableDeal(s, e);
    },
  );
}

// writableWith makes a stream of the prelude's own; the three return promises.
function writableWith(write, close, abort, highWaterMark, size, startPromise) {
  const s = newWritable();
  const c = newWritableController(s, highWaterMark, size);
  c.write = write;
  c.close = close;
  c.abort = abort;
  startWritable(s, c, startPromise === undefined ? undefined : () => startPromise);
  return s;
}

class WritableStreamDefaultController {
  #c;
  constructor(key = undefined, c = undefined) {
    if (key !== internal) throw illegalConstructor();
    this.#c = c;
  }
  get signal() {
    const c = this.#c;
    if (c.signal === null) {
      c.signal = newAbortSignal();
      if (c.aborted) abortSignal(c.signal, c.reason);
    }
    return c.signal;
  }
  error(e = undefined) {
    const c = this.#c;
    if (c.stream.state === isWritable) writableError(c, e);
  }
}
webClass(WritableStreamDefaultController, "WritableStreamDefaultController");

const closeMark = { __proto__: null };

function clearWritable(c) {
  c.write = null;
  c.close = null;
  c.abort = null;
  c.size = null;
}

function writableDesired(c) {
  return c.highWaterMark - c.total;
}

function writableBackpressure(c) {
  return writableDesired(c) <= 0;
}

function writableError(c, e) {
  const s = c.stream;
  clearWritable(c);
  startErroring(s, e);
}

function writableErrorIfNeeded(c, e) {
  if (c.stream.state === isWritable) writableError(c, e);
}

function closeAsked(s) {
  return s.closing !== null || s.close !== null;
}

function writableAdvance(c) {
  const s = c.stream;
  if (!c.started || s.write !== null) return;
  if (s.state === isErroring) {
    finishErroring(s);
    return;
  }
  if (c.queue.length === 0) return;
  const value = c.queue.first.value.value;
  if (value === closeMark) advanceClose(c);
  else advanceWrite(c, value);
}

function advanceClose(c) {
  const s = c.stream;
  s.close = s.closing;
  s.closing = null;
  takeSized(c);
  const p = c.close();
  clearWritable(c);
  react(
    p,
    () => {
      fulfill(s.close, undefined);
      s.close = null;
      if (s.state === isErroring) {
        s.error = undefined;
        if (s.abort !== null) {
          fulfill(s.abort.promise, undefined);
          s.abort = null;
        }
      }
      s.state = isWritten;
      const w = s.writer;
      if (w !== null && w.closed !== null) fulfill(w.closed, undefined);
    },
    (e) => {
      refuse(s.close, e);
      s.close = null;
      if (s.abort !== null) {
        refuse(s.abort.promise, e);
        s.abort = null;
      }
      writableDeal(s, e);
    },
  );
}

function advanceWrite(c, chunk) {
  const s = c.stream;
  s.write = queueShift(s.requests);
  react(
    c.write(chunk),
    () => {
      fulfill(s.write, undefined);
      s.write = null;
      const state = s.state;
      takeSized(c);
      if (!closeAsked(s) && state === isWritable) setBackpressure(s, writableBackpressure(c));
      writableAdvance(c);
    },
    (e) => {
      if (s.state === isWritable) clearWritable(c);
      refuse(s.write, e);
      s.write = null;
      writableDeal(s, e);
    },
  );
}

function setBackpressure(s, on) {
  const w = s.writer;
  if (w !== null && on !== s.backpressure && w.ready !== null) {
    if (on) {
      w.ready = pending();
      w.waiting = true;
    } else {
      fulfill(w.ready, undefined);
      w.waiting = false;
    }
  }
  s.backpressure = on;
}

function writableDeal(s, e) {
  if (s.state === isWritable) startErroring(s, e);
  else finishErroring(s);
}

function startErroring(s, reason) {
  s.state = isErroring;
  s.error = reason;
  if (s.writer !== null) rejectReady(s.writer, reason);
  if (s.write === null && s.close === null && s.controller.started) finishErroring(s);
}

function finishErroring(s) {
  s.state = isFailed;
  const c = s.controller;
  resetSized(c);
  const e = s.error;
  const requests = s.requests;
  s.requests = newQueue();
  while (requests.length > 0) refuse(queueShift(requests), e);
  if (s.abort === null) {
    rejectClosing(s);
    return;
  }
  const abort = s.abort;
  s.abort = null;
  if (abort.erroring) {
    refuse(abort.promise, e);
    rejectClosing(s);
    return;
  }
  const p = c.abort === null ? resolved(undefined) : c.abort(abort.reason);
  clearWritable(c);
  react(
    p,
    () => {
      fulfill(abort.promise, undefined);
      rejectClosing(s);
    },
    (e) => {
      refuse(abort.promise, e);
      rejectClosing(s);
    },
  );
}

// rejectClosing rejects the close that was asked for, and the writer's closed.
function rejectClosing(s) {
  if (s.closing !== null) {
    refuse(s.closing, s.error);
    s.closing = null;
  }
  const w = s.writer;
  if (w !== null && w.closed !== null) {
    handled(w.closed);
    refuse(w.closed, s.error);
  }
}

function writableAbort(s, reason) {
  if (s.state === isWritten || s.state === isFailed) return resolved(undefined);
  const c = s.controller;
  if (!c.aborted) {
    c.aborted = true;
    c.reason = reason;
    if (c.signal !== null) abortSignal(c.signal, reason);
  }
  const state = s.state; // aborting runs code of the program
  if (state === isWritten || state === isFailed) return resolved(undefined);
  if (s.abort !== null) return s.abort.promise;
  const erroring = state === isErroring;
  const promise = pending();
  s.abort = { __proto__: null, promise, reason: erroring ? undefined : reason, erroring };
  if (!erroring) startErroring(s, reason);
  return promise;
}

function writableClose(s) {
  if (s.state === isWritten || s.state === isFailed) return refused(new TypeErrorCtor("The WritableStream is closed or errored already: it cannot be closed"));
  const p = pending();
  s.closing = p;
  const w = s.writer;
  if (w !== null && s.backpressure && s.state === isWritable && w.waiting) {
    fulfill(w.ready, undefined);
    w.waiting = false;
  }
  addSized(s.controller, closeMark, 0);
  writableAdvance(s.controller);
  return p;
}

// Writers.

function acquireWriter(s) {
  if (s.writer !== null) throw new TypeErrorCtor(writerLockedText);
  const w = { __proto__: null, object: null, stream: s, closed: null, ready: null, waiting: false, released: null };
  s.writer = w;
  return w;
}

function writerObject(w) {
  if (w.object === null) w.object = new WritableStreamDefaultWriter(internal, w);
  return w.object;
}

// writerReady and writerClosed are the promises that ready and closed return: made when they are asked for first.
function writerReady(w) {
  if (w.ready === null) {
    const s = w.stream;
    if (s === null) w.ready = refused(w.released);
    else if (s.state === isErroring || s.state === isFailed) w.ready = refused(s.error);
    else if (s.state === isWritable && s.backpressure && !closeAsked(s)) {
      w.ready = pending();
      w.waiting = true;
    } else w.ready = resolved(undefined);
  }
  return w.ready;
}

function writerClosed(w) {
  if (w.closed === null) {
    const s = w.stream;
    if (s === null) w.closed = refused(w.released);
    else if (s.state === isWritten) w.closed = resolved(undefined);
    else if (s.state === isFailed) w.closed = refused(s.error);
    else w.closed = pending();
  }
  return w.closed;
}

function rejectReady(w, e) {
  if (w.waiting) {
    w.waiting = false;
    handled(w.ready);
    refuse(w.ready, e);
  } else if (w.ready !== null) {
    w.ready = refused(e);
  }
}

function writerRelease(w) {
  const s = w.stream;
  if (s === null) return;
  const e = new TypeErrorCtor(writerReleasedText);
  w.released = e;
  rejectReady(w, e);
  if (w.closed !== null) {
    if (host.promiseState(w.closed)[0] === 0) {
      handled(w.closed);
      refuse(w.closed, e);
    } else {
      w.closed = refused(e);
    }
  }
  s.writer = null;
  w.stream = null;
}

function writerWrite(w, chunk) {
  const s = w.stream;
  const c = s.controller;
  let size;
  if (c.size === null) {
    size = 1;
  } else {
    try {
      size = c.size(chunk);
    } catch (e) {
      writableErrorIfNeeded(c, e);
      size = 1;
    }
  }
  if (s !== w.stream) return refused(new TypeErrorCtor(writerReleasedText));
  if (s.state === isFailed) return refused(s.error);
  if (closeAsked(s) || s.state === isWritten) return refused(new TypeErrorCtor("The WritableStream is closed, or being closed: nothing can be written to it"));
  if (s.state === isErroring) return refused(s.error);
  const p = pending();
  queueAdd(s.requests, p);
  try {
    addSized(c, chunk, size);
  } catch (e) {
    writableErrorIfNeeded(c, e);
    return p;
  }
  if (!closeAsked(s) && s.state === isWritable) setBackpressure(s, writableBackpressure(c));
  writableAdvance(c);
  return p;
}

function writerDesiredSize(w) {
  const s = w.stream;
  if (s.state === isErroring || s.state === isFailed) return null;
  return s.state === isWritten ? 0 : writableDesired(s.controller);
}

function writerCloseOrError(w) {
  const s = w.stream;
  if (closeAsked(s) || s.state === isWritten) return resolved(undefined);
  if (s.state === isFailed) return refused(s.error);
  return writableClose(s);
}

class WritableStreamDefaultWriter {
  #w;
  constructor(stream, w = undefined) {
    if (stream === internal) {
      this.#w = w;
      return;
    }
    w = acquireWriter(writableOf(stream));
    w.object = this;
    this.#w = w;
  }
  get closed() {
    try {
      return writerClosed(this.#w);
    } catch (e) {
      return refused(e);
    }
  }
  get desiredSize() {
    const w = this.#w;
    if (w.stream === null) throw new TypeErrorCtor(writerReleasedText);
    return writerDesiredSize(w);
  }
  get ready() {
    try {
      return writerReady(this.#w);
    } catch (e) {
      return refused(e);
    }
  }
  abort(reason = undefined) {
    try {
      const w = this.#w;
      if (w.stream === null) throw new TypeErrorCtor(writerReleasedText);
      return writableAbort(w.stream, reason);
    } catch (e) {
      return refused(e);
    }
  }
  close() {
    try {
      const w = this.#w;
      if (w.stream === null) throw new TypeErrorCtor(writerReleasedText);
      if (closeAsked(w.stream)) throw new TypeErrorCtor("The WritableStream is being closed already");
      return writableClose(w.stream);
    } catch (e) {
      return refused(e);
    }
  }
  releaseLock() {
    writerRelease(this.#w);
  }
  write(chunk = undefined) {
    try {
      const w = this.#w;
      if (w.stream === null) throw new TypeErrorCtor(writerReleasedText);
      return writerWrite(w, chunk);
    } catch (e) {
      return refused(e);
    }
  }
}
webClass(WritableStreamDefaultWriter, "WritableStreamDefaultWriter");
