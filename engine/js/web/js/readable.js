// ReadableStream, its default controller and its default reader (Streams standard, section 4). The byte controller and the
// BYOB reader are in readablebytes.js.

const releasedText = "This ReadableStream reader has been released.";

let readableOf; // (object) the record of a ReadableStream; throws if it is none
let isStream;

function newReadable() {
  return {
    __proto__: null, object: null, state: isReadable, error: undefined, reader: null, controller: null, disturbed: false,
    // What makes the controller of a stream over a body, once somebody reads: see streamOf.
    lazy: null,
    body: null,
    signal: null, // of a body that is all there: what makes it fail while nobody has read it
  };
}

// readableObject is the public object of a record.
function readableObject(s) {
  if (s.object === null) s.object = new ReadableStream(internal, s);
  return s.object;
}

class ReadableStream {
  #s;
  constructor(underlyingSource = undefined, strategy = undefined) {
    if (underlyingSource === internal) {
      this.#s = strategy;
      return;
    }
    if (underlyingSource !== undefined && !isObject(underlyingSource)) throw new TypeErrorCtor(`ReadableStream: the source must be an object, not ${typeName(underlyingSource)}`);
    const given = strategyFrom(strategy);
    const s = newReadable();
    s.object = this;
    this.#s = s;
    const source = underlyingSource === undefined ? emptyDictionary : underlyingSource;
    let chunkSize = source.autoAllocateChunkSize;
    if (chunkSize !== undefined) chunkSize = enforceRange(chunkSize, "autoAllocateChunkSize");
    const cancel = method(source, "cancel", "ReadableStream");
    const pull = method(source, "pull", "ReadableStream");
    const start = method(source, "start", "ReadableStream");
    let type = source.type;
    if (type !== undefined) {
      type = `${type}`;
      if (type !== "bytes") throw new TypeErrorCtor(`ReadableStream: the type of a source can only be "bytes", not ${jsonStringify(type)}`);
    }
    if (type === undefined) {
      const size = sizeOf(given);
      const c = newDefaultController(s, highWaterMarkOf(given, 1), size);
      c.pull = pull === null ? null : () => promised(apply(pull, underlyingSource, [controllerObject(c)]));
      c.cancel = cancel === null ? null : (reason) => promised(apply(cancel, underlyingSource, [reason]));
      startReadable(s, c, start, underlyingSource);
      return;
    }
    if (given.size !== null) throw new RangeErrorCtor("ReadableStream: the strategy of a byte stream cannot have a size");
    const c = newByteController(s, highWaterMarkOf(given, 0));
    if (chunkSize === 0) throw new TypeErrorCtor("ReadableStream: autoAllocateChunkSize cannot be 0");
    c.chunkSize = chunkSize === undefined ? 0 : chunkSize;
    c.pull = pull === null ? null : () => promised(apply(pull, underlyingSource, [controllerObject(c)]));
    c.cancel = cancel === null ? null : (reason) => promised(apply(cancel, underlyingSource, [reason]));
    startReadable(s, c, start, underlyingSource);
  }
  static from(asyncIterable) {
    return readableObject(readableFrom(asyncIterable));
  }
  get locked() {
    return this.#s.reader !== null;
  }
  cancel(reason = undefined) {
    try {
      const s = this.#s;
      if (s.reader !== null) throw new TypeErrorCtor(lockedText);
      return readableCancel(openReadable(s), reason);
    } catch (e) {
      return refused(e);
    }
  }
  getReader(options = undefined) {
    const s = this.#s;
    const mode = dictionary(options, "ReadableStream.getReader: the options").mode;
    if (mode === undefined) return readerObject(acquireReader(openReadable(s)));
    if (`${mode}` !== "byob") throw new TypeErrorCtor(`ReadableStream.getReader: the mode can only be "byob", not ${jsonStringify(`${mode}`)}`);
    return readerObject(acquireBYOBReader(openReadable(s)));
  }
  pipeThrough(transform, options = undefined) {
    const s = this.#s;
    if (!isObject(transform)) throw new TypeErrorCtor(`ReadableStream.pipeThrough: the first argument must be an object with readable and writable, not ${typeName(transform)}`);
    const readable = transform.readable;
    readableOf(readable);
    const dest = writableOf(transform.writable);
    const o = pipeOptions(options);
    if (s.reader !== null) throw new TypeErrorCtor(lockedText);
    if (dest.writer !== null) throw new TypeErrorCtor(writerLockedText);
    handled(pipe(openReadable(s), dest, o));
    return readable;
  }
  pipeTo(destination, options = undefined) {
    try {
      const s = this.#s;
      const dest = writableOf(destination);
      const o = pipeOptions(options);
      if (s.reader !== null) throw new TypeErrorCtor(lockedText);
      if (dest.writer !== null) throw new TypeErrorCtor(writerLockedText);
      return pipe(openReadable(s), dest, o);
    } catch (e) {
      return refused(e);
    }
  }
  tee() {
    const branches = readableTee(openReadable(this.#s));
    return [readableObject(branches[0]), readableObject(branches[1])];
  }
  values(options = undefined) {
    const s = this.#s;
    const keep = !!dictionary(options, "ReadableStream.values: the options").preventCancel;
    return new ReadableStreamAsyncIterator(acquireReader(openReadable(s)), keep);
  }
  static {
    isStream = (v) => typeof v === "object" && v !== null && #s in v;
    readableOf = (v) => {
      if (!isStream(v)) throw new TypeErrorCtor(`A ReadableStream is needed, not ${typeName(v)}`);
      return v.#s;
    };
  }
}
hide(ReadableStream.prototype, asyncIteratorSymbol, ReadableStream.prototype.values);
webClass(ReadableStream, "ReadableStream");

// enforceRange is WebIDL's conversion to an unsigned long long that refuses what does not fit.
function enforceRange(v, what) {
  const n = trunc(+v);
  if (!(n >= 0 && n <= 9007199254740991)) throw new TypeErrorCtor(`${what} must be a number from 0 to 2^53-1`);
  return n + 0; // not -0
}

// openReadable gives a stream over a body its controller.
function openReadable(s) {
  if (s.lazy !== null) {
    const make = s.lazy;
    s.lazy = null;
    make(s);
  }
  return s;
}

// startReadable connects a controller and runs the program's start method.
function startReadable(s, c, start, source) {
  s.controller = c;
  const result = start === null ? undefined : apply(start, source, [controllerObject(c)]);
  react(
    promised(result),
    () => {
      c.started = true;
      pullIfNeeded(c);
    },
    (e) => controllerError(c, e),
  );
}

// streamWith makes a stream of the prelude's own; pull and cancel return promises, or are null.
function streamWith(pull, cancel, highWaterMark, size) {
  const s = newReadable();
  const c = newDefaultController(s, highWaterMark, size);
  c.pull = pull;
  c.cancel = cancel;
  startReadable(s, c, null, undefined);
  return s;
}

function byteStreamWith(s, pull, cancel) {
  const c = newByteController(s, 0);
  c.pull = pull;
  c.cancel = cancel;
  startReadable(s, c, null, undefined);
  return s;
}

// Controllers. Both kinds have the fields that these functions use.

function newDefaultController(stream, highWaterMark, size) {
  return {
    __proto__: null, bytes: false, object: null, stream, queue: newQueue(), total: 0, started: false, closing: false, pulling: false,
    pullAgain: false, size, highWaterMark, pull: null, cancel: null,
  };
}

function controllerObject(c) {
  if (c.object === null) c.object = c.bytes ? new ReadableByteStreamController(internal, c) : new ReadableStreamDefaultController(internal, c);
  return c.object;
}

// controllerOpen: may it close, or take a chunk?
function controllerOpen(c) {
  return !c.closing && c.stream.state === isReadable;
}

function desiredSize(c) {
  const state = c.stream.state;
  return state === isErrored ? null : state === isClosed ? 0 : c.highWaterMark - c.total;
}

function shouldPull(c) {
  if (!controllerOpen(c) || !c.started) return false;
  const reader = c.stream.reader;
  if (reader !== null && reader.requests.length > 0) return true;
  return c.highWaterMark - c.total > 0;
}

function pullIfNeeded(c) {
  if (!shouldPull(c)) return;
  if (c.pulling) {
    c.pullAgain = true;
    return;
  }
  c.pulling = true;
  let p;
  try {
    p = c.pull === null ? settled : c.pull(c);
  } catch (e) {
    p = refused(e);
  }
  react(
    p,
    () => {
      c.pulling = false;
      if (c.pullAgain) {
        c.pullAgain = false;
        pullIfNeeded(c);
      }
    },
    (e) => controllerError(c, e),
  );
}

// clearController lets go of the program's callbacks.
function clearController(c) {
  c.pull = null;
  c.cancel = null;
  c.size = null;
}

function controllerError(c, e) {
  if (c.stream.state !== isReadable) return;
  if (c.bytes) {
    invalidateBYOB(c);
    c.pullIntos = newQueue();
  }
  resetSized(c);
  clearController(c);
  readableError(c.stream, e);
}

// controllerCancel is [[CancelSteps]].
function controllerCancel(c, reason) {
  if (c.bytes) {
    invalidateBYOB(c);
    c.pullIntos = newQueue();
  }
  resetSized(c);
  let p;
  try {
    p = c.cancel === null ? settled : c.cancel(reason);
  } catch (e) {
    p = refused(e);
  }
  clearController(c);
  return p;
}

function defaultClose(c) {
  if (!controllerOpen(c)) return;
  c.closing = true;
  if (c.queue.length === 0) {
    clearController(c);
    readableClose(c.stream);
  }
}

function defaultEnqueue(c, chunk) {
  if (!controllerOpen(c)) return;
  const reader = c.stream.reader;
  if (reader !== null && reader.requests.length > 0) {
    queueShift(reader.requests).chunk(chunk);
  } else {
    try {
      addSized(c, chunk, c.size(chunk));
    } catch (e) {
      controllerError(c, e);
      throw e;
    }
  }
  pullIfNeeded(c);
}

function defaultPull(c, request) {
  if (c.queue.length === 0) {
    queueAdd(c.stream.reader.requests, request);
    pullIfNeeded(c);
    return;
  }
  const chunk = takeSized(c);
  if (c.closing && c.queue.length === 0) {
    clearController(c);
    readableClose(c.stream);
  } else {
    pullIfNeeded(c);
  }
  request.chunk(chunk);
}

class ReadableStreamDefaultController {
  #c;
  constructor(key = undefined, c = undefined) {
    if (key !== internal) throw illegalConstructor();
    this.#c = c;
  }
  get desiredSize() {
    return desiredSize(this.#c);
  }
  close() {
    const c = this.#c;
    if (!controllerOpen(c)) throw new TypeErrorCtor(c.stream.state === isReadable ? "The ReadableStream has been asked to close already" : "The ReadableStream is not readable any more, so it cannot be closed");
    defaultClose(c);
  }
  enqueue(chunk = undefined) {
    const c = this.#c;
    if (!controllerOpen(c)) throw new TypeErrorCtor("The ReadableStream is closed, or is about to: it takes no more chunks");
    defaultEnqueue(c, chunk);
  }
  error(e = undefined) {
    controllerError(this.#c, e);
  }
}
webClass(ReadableStreamDefaultController, "ReadableStreamDefaultController");

// Streams.

function readableClose(s) {
  s.state = isClosed;
  const reader = s.reader;
  if (reader === null) return;
  if (reader.closed !== null) fulfill(reader.closed, undefined);
  if (reader.byob) return;
  const requests = reader.requests;
  reader.requests = newQueue();
  while (requests.length > 0) queueShift(requests).close();
}

function readableError(s, e) {
  s.state = isErrored;
  s.error = e;
  const reader = s.reader;
  if (reader === null) return;
  if (reader.closed !== null) {
    handled(reader.closed);
    refuse(reader.closed, e);
  }
  failRequests(reader, e);
}

function failRequests(reader, e) {
  const requests = reader.requests;
  reader.requests = newQueue();
  while (requests.length > 0) queueShift(requests).error(e);
}

function readableCancel(s, reason) {
  s.disturbed = true;
  if (s.state === isClosed) return resolved(undefined);
  if (s.state === isErrored) return refused(s.error);
  readableClose(s);
  const reader = s.reader;
  if (reader !== null && reader.byob) {
    const requests = reader.requests;
    reader.requests = newQueue();
    while (requests.length > 0) queueShift(requests).close(undefined);
  }
  return promiseThen(controllerCancel(s.controller, reason), noop);
}

// Readers. A read request has chunk(v), close() and error(e); those of a BYOB reader have close(view).

function newReader(byob) {
  return { __proto__: null, byob, object: null, stream: null, closed: null, requests: newQueue() };
}

function readerObject(r) {
  if (r.object === null) r.object = r.byob ? new ReadableStreamBYOBReader(internal, r) : new ReadableStreamDefaultReader(internal, r);
  return r.object;
}

function attachReader(r, s) {
  if (s.reader !== null) throw new TypeErrorCtor(lockedText);
  r.stream = s;
  s.reader = r;
  return r;
}

function acquireReader(s) {
  return attachReader(newReader(false), s);
}

// readerClosed is the promise that closed returns: made when it is asked for first.
function readerClosed(r) {
  if (r.closed === null) {
    const s = r.stream;
    if (s === null) r.closed = refused(new TypeErrorCtor(releasedText));
    else if (s.state === isClosed) r.closed = resolved(undefined);
    else if (s.state === isErrored) r.closed = refused(s.error);
    else r.closed = pending();
  }
  return r.closed;
}

function readerCancel(r, reason) {
  if (r.stream === null) return refused(new TypeErrorCtor(releasedText));
  return readableCancel(r.stream, reason);
}

function releaseReader(r) {
  const s = r.stream;
  if (r.closed !== null) {
    const e = new TypeErrorCtor(releasedText);
    if (s.state === isReadable) {
      handled(r.closed);
      refuse(r.closed, e);
    } else {
      r.closed = refused(e);
    }
  }
  if (s.controller !== null && s.controller.bytes) releaseByteController(s.controller);
  s.reader = null;
  r.stream = null;
}

// readerRelease is releaseLock: reads that wait are rejected.
function readerRelease(r) {
  if (r.stream === null) return;
  releaseReader(r);
  if (r.requests.length > 0) failRequests(r, new TypeErrorCtor(releasedText));
}

function readerRead(r, request) {
  const s = r.stream;
  s.disturbed = true;
  if (s.state === isClosed) request.close();
  else if (s.state === isErrored) request.error(s.error);
  else if (s.controller.bytes) bytePull(s.controller, request);
  else defaultPull(s.controller, request);
}

// ReadPromise is the read request of read().
class ReadPromise {
  constructor(promise) {
    this.promise = promise;
  }
  chunk(value) {
    fulfill(this.promise, { value, done: false });
  }
  close(value) {
    fulfill(this.promise, { value, done: true });
  }
  error(e) {
    refuse(this.promise, e);
  }
}

class ReadableStreamDefaultReader {
  #r;
  constructor(stream, r = undefined) {
    if (stream === internal) {
      this.#r = r;
      return;
    }
    const s = readableOf(stream);
    r = acquireReader(openReadable(s));
    r.object = this;
    this.#r = r;
  }
  get closed() {
    try {
      return readerClosed(this.#r);
    } catch (e) {
      return refused(e);
    }
  }
  read() {
    try {
      const r = this.#r;
      if (r.stream === null) throw new TypeErrorCtor(releasedText);
      const p = pending();
      readerRead(r, new ReadPromise(p));
      return p;
    } catch (e) {
      return refused(e);
    }
  }
  cancel(reason = undefined) {
    try {
      return readerCancel(this.#r, reason);
    } catch (e) {
      return refused(e);
    }
  }
  releaseLock() {
    readerRelease(this.#r);
  }
}
webClass(ReadableStreamDefaultReader, "ReadableStreamDefaultReader");

// Asynchronous iteration.

class IteratorRead {
  constructor(reader, promise) {
    this.reader = reader;
    this.promise = promise;
  }
  chunk(value) {
    fulfill(this.promise, { value, done: false });
  }
  close() {
    readerRelease(this.reader);
    fulfill(this.promise, { value: undefined, done: true });
  }
  error(e) {
    readerRelease(this.reader);
    refuse(this.promise, e);
  }
}

class ReadableStreamAsyncIterator {
  #reader;
  #keep;
  #ongoing = null;
  #read = null; // the promise of a next() that had none to wait for
  #finished = false;
  // What a next() gives comes a job after what the reader gives, as Web IDL says: a source is asked again in that time.
  #came = (result) => {
    this.#settled(result.done);
    return result;
  };
  #failed = (e) => {
    this.#settled(true);
    throw e;
  };
  constructor(reader, keep) {
    this.#reader = reader;
    this.#keep = keep;
  }
  next() {
    try {
      if (this.#ongoing === null) return ReadableStreamAsyncIterator.#next(this, true);
      const steps = () => ReadableStreamAsyncIterator.#next(this, false);
      this.#ongoing = chained(this.#ongoing, steps, steps);
      return this.#ongoing;
    } catch (e) {
      return refused(e);
    }
  }
  return(value) {
    try {
      const steps = () => ReadableStreamAsyncIterator.#return(this, value);
      const done = this.#ongoing === null ? steps() : chained(this.#ongoing, steps, steps);
      this.#ongoing = done;
      return promiseThen(done, () => ({ value, done: true }));
    } catch (e) {
      return refused(e);
    }
  }
  static #next(it, first) {
    if (it.#finished) return resolved({ value: undefined, done: true });
    const p = pending();
    readerRead(it.#reader, new IteratorRead(it.#reader, p));
    const next = promiseThen(p, it.#came, it.#failed);
    if (first) it.#ongoing = it.#read = next; // until it settles
    return next;
  }
  static #return(it, value) {
    if (it.#finished) return resolved(undefined);
    it.#finished = true;
    const r = it.#reader;
    if (it.#keep) {
      readerRelease(r);
      return resolved(undefined);
    }
    const p = readerCancel(r, value);
    readerRelease(r);
    return p;
  }
  #settled(last) {
    if (last) this.#finished = true;
    if (this.#ongoing === this.#read) this.#ongoing = null; // or calls wait behind it
  }
}
webClass(ReadableStreamAsyncIterator, "ReadableStream AsyncIterator");
delete ReadableStreamAsyncIterator.prototype.constructor;
setPrototypeOf(ReadableStreamAsyncIterator.prototype, getPrototypeOf(getPrototypeOf(async function* () {}).prototype));

// readableFrom is ReadableStream.from.
function readableFrom(iterable) {
  let sync = false;
  let open = iterable[asyncIteratorSymbol];
  if (open === undefined || open === null) {
    sync = true;
    open = iterable[iteratorSymbol];
  }
  if (typeof open !== "function") throw new TypeErrorCtor(`ReadableStream.from: ${typeName(iterable)} cannot be iterated`);
  const iterator = apply(open, iterable, []);
  if (!isObject(iterator)) throw new TypeErrorCtor("ReadableStream.from: the iterator is not an object");
  const next = iterator.next;
  const s = streamWith(
    (c) => {
      const result = apply(next, iterator, []);
      if (sync) return fromSync(c, iterator, result);
      return promiseThen(promised(result), (r) => {
        if (!isObject(r)) throw new TypeErrorCtor("ReadableStream.from: next() did not give an object");
        if (r.done) defaultClose(c);
        else defaultEnqueue(c, r.value);
      });
    },
    (reason) => {
      const back = iterator.return;
      if (back === undefined || back === null) return resolved(undefined);
      if (typeof back !== "function") throw new TypeErrorCtor("ReadableStream.from: the iterator's return is not a function");
      const result = apply(back, iterator, [reason]);
      if (sync) {
        if (!isObject(result)) throw new TypeErrorCtor("ReadableStream.from: return() did not give an object");
        return promiseThen(promised(result.value), noop);
      }
      return promiseThen(promised(result), (r) => {
        if (!isObject(r)) throw new TypeErrorCtor("ReadableStream.from: return() did not give an object");
      });
    },
    0,
    one,
  );
  return s;
}

// fromSync takes a step of a synchronous iterator, whose values may be promises.
function fromSync(c, iterator, r) {
  if (!isObject(r)) throw new TypeErrorCtor("ReadableStream.from: next() did not give an object");
  const done = !!r.done;
  return promiseThen(
    promised(r.value),
    (value) => {
      if (done) defaultClose(c);
      else defaultEnqueue(c, value);
    },
    (e) => {
      if (!done) {
        try {
          const back = iterator.return;
          if (back !== undefined && back !== null) apply(back, iterator, []);
        } catch {
          // The value's own failure is the one to tell.
        }
      }
      throw e;
    },
  );
}

// Tee.

// readableTee makes two streams of one. clone says that each is to have chunks of its own, as bodies are.
function readableTee(s, clone = false) {
  return s.controller.bytes ? byteTee(s) : defaultTee(s, clone);
}

// cloneChunk is a chunk with memory of its own.
function cloneChunk(v) {
  if (!isView(v)) return structuredClone(v);
  const bytes = host.bodyBytes(bytesOf(v));
  const kind = typedTag(v);
  return kind === "Uint8Array" ? bytes : makeView(kind ?? "DataView", typedBuffer(bytes), typedByteOffset(bytes), typedByteLength(bytes));
}

function defaultTee(s, clone) {
  const reader = acquireReader(s);
  let reading = false;
  let again = false;
  let canceled1 = false;
  let canceled2 = false;
  let reason1, reason2, branch1, branch2;
  const cancel = pending();
  const pull = () => {
    if (reading) {
      again = true;
      return resolved(undefined);
    }
    reading = true;
    readerRead(reader, {
      __proto__: null,
      chunk(value) {
        microtask(() => {
          again = false;
          let value2 = value;
          if (clone && !canceled2) {
            try {
              value2 = cloneChunk(value);
            } catch (e) {
              controllerError(branch1.controller, e);
              controllerError(branch2.controller, e);
              follow(cancel, readableCancel(s, e));
              return;
            }
          }
          if (!canceled1) defaultEnqueue(branch1.controller, value);
          if (!canceled2) defaultEnqueue(branch2.controller, value2);
          reading = false;
          if (again) pull();
        });
      },
      close() {
        reading = false;
        if (!canceled1) defaultClose(branch1.controller);
        if (!canceled2) defaultClose(branch2.controller);
        if (!canceled1 || !canceled2) fulfill(cancel, undefined);
      },
      error() {
        reading = false;
      },
    });
    return resolved(undefined);
  };
  const both = () => follow(cancel, readableCancel(s, [reason1, reason2]));
  branch1 = streamWith(
    pull,
    (reason) => {
      canceled1 = true;
      reason1 = reason;
      if (canceled2) both();
      return cancel;
    },
    1,
    one,
  );
  branch2 = streamWith(
    pull,
    (reason) => {
      canceled2 = true;
      reason2 = reason;
      if (canceled1) both();
      return cancel;
    },
    1,
    one,
  );
  react(readerClosed(reader), undefined, (e) => {
    controllerError(branch1.controller, e);
    controllerError(branch2.controller, e);
    if (!canceled1 || !canceled2) fulfill(cancel, undefined);
  });
  return [branch1, branch2];
}
