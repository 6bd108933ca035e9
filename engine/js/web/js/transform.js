// TransformStream and its controller (Streams standard, section 6), and Cloudflare's IdentityTransformStream and
// FixedLengthStream.

let transformOf; // (object) the record of a TransformStream

function newTransform() {
  return {
    __proto__: null, readable: null, writable: null, backpressure: undefined, change: null, transform: null, flush: null, cancel: null,
    finish: null, object: null,
  };
}

class TransformStream {
  #t;
  constructor(transformer = undefined, writableStrategy = undefined, readableStrategy = undefined) {
    if (transformer === internal) {
      this.#t = writableStrategy;
      return;
    }
    if (transformer !== undefined && !isObject(transformer)) throw new TypeErrorCtor(`TransformStream: the transformer must be an object, not ${typeName(transformer)}`);
    const forWritable = strategyFrom(writableStrategy);
    const forReadable = strategyFrom(readableStrategy);
    const of = transformer === undefined ? emptyDictionary : transformer;
    const cancel = method(of, "cancel", "TransformStream");
    const flush = method(of, "flush", "TransformStream");
    const readableType = of.readableType;
    const start = method(of, "start", "TransformStream");
    const transform = method(of, "transform", "TransformStream");
    const writableType = of.writableType;
    if (readableType !== undefined) throw new RangeErrorCtor("TransformStream: a transformer has no readableType");
    if (writableType !== undefined) throw new RangeErrorCtor("TransformStream: a transformer has no writableType");
    const readableMark = highWaterMarkOf(forReadable, 0);
    const readableSize = sizeOf(forReadable);
    const writableMark = highWaterMarkOf(forWritable, 1);
    const writableSize = sizeOf(forWritable);
    const t = newTransform();
    this.#t = t;
    const started = pending();
    openTransform(t, started, writableMark, writableSize, readableMark, readableSize);
    if (transform === null) {
      t.transform = (chunk) => passOn(t, chunk);
    } else {
      const f = callback(transform, transformer, 2);
      t.transform = (chunk) => f(chunk, transformController(t));
    }
    const f = callback(flush, transformer, 1);
    t.flush = () => f(transformController(t));
    t.cancel = callback(cancel, transformer, 1);
    host.settle(started, start === null ? undefined : apply(start, transformer, [transformController(t)]));
  }
  get readable() {
    return readableObject(this.#t.readable);
  }
  get writable() {
    return writableObject(this.#t.writable);
  }
  static {
    transformOf = (v) => v.#t;
  }
}
webClass(TransformStream, "TransformStream");

// transformWith makes a transform of the prelude's own. transform and flush may throw, and return a promise or undefined.
function transformWith(transform, flush, cancel = null) {
  const t = newTransform();
  openTransform(t, undefined, 1, one, 0, one);
  t.transform = (chunk) => attempt(() => transform(chunk, t) ?? settled);
  t.flush = () => attempt(() => flush(t) ?? settled);
  t.cancel = cancel === null ? () => settled : (reason) => attempt(() => cancel(reason) ?? settled);
  return t;
}

function passOn(t, chunk) {
  try {
    transformEnqueue(t, chunk);
    return settled;
  } catch (e) {
    return refused(e);
  }
}

// openTransform makes the two sides. They start when started is fulfilled; undefined: at once.
function openTransform(t, started, writableMark, writableSize, readableMark, readableSize) {
  t.writable = writableWith(
    (chunk) => transformWrite(t, chunk),
    () => transformClose(t),
    (reason) => transformAbort(t, reason),
    writableMark,
    writableSize,
    started,
  );
  const s = newReadable();
  t.readable = s;
  const c = newDefaultController(s, readableMark, readableSize);
  c.pull = () => {
    setTransformBackpressure(t, false);
    return t.change;
  };
  c.cancel = (reason) => transformCancel(t, reason);
  s.controller = c;
  setTransformBackpressure(t, true);
  react(
    started === undefined ? settled : started,
    () => {
      c.started = true;
      pullIfNeeded(c);
    },
    (e) => controllerError(c, e),
  );
}

function setTransformBackpressure(t, on) {
  if (t.change !== null) fulfill(t.change, undefined);
  t.change = pending();
  t.backpressure = on;
}

function clearTransform(t) {
  t.transform = null;
  t.flush = null;
  t.cancel = null;
}

// transformError errors both sides.
function transformError(t, e) {
  controllerError(t.readable.controller, e);
  transformErrorWritable(t, e);
}

function transformErrorWritable(t, e) {
  clearTransform(t);
  writableErrorIfNeeded(t.writable.controller, e);
  if (t.backpressure) setTransformBackpressure(t, false);
}

function transformEnqueue(t, chunk) {
  const c = t.readable.controller;
  if (!controllerOpen(c)) throw new TypeErrorCtor("The readable side of the TransformStream is closed: it takes no more chunks");
  try {
    defaultEnqueue(c, chunk);
  } catch (e) {
    transformErrorWritable(t, e);
    throw t.readable.error;
  }
  const backpressure = !shouldPull(c);
  if (backpressure !== t.backpressure) setTransformBackpressure(t, true);
}

function transformTerminate(t) {
  defaultClose(t.readable.controller);
  transformErrorWritable(t, new TypeErrorCtor("The TransformStream has been terminated"));
}

function runTransform(t, chunk) {
  const done = pending();
  react(
    t.transform(chunk),
    () => fulfill(done, undefined),
    (e) => {
      transformError(t, e);
      refuse(done, e);
    },
  );
  return done;
}

function transformWrite(t, chunk) {
  if (!t.backpressure) return runTransform(t, chunk);
  return chained(t.change, () => {
    const w = t.writable;
    if (w.state === isErroring) throw w.error;
    return runTransform(t, chunk);
  });
}

function transformAbort(t, reason) {
  if (t.finish !== null) return t.finish;
  const finish = pending();
  t.finish = finish;
  const p = t.cancel(reason);
  clearTransform(t);
  react(
    p,
    () => {
      const s = t.readable;
      if (s.state === isErrored) {
        refuse(finish, s.error);
      } else {
        controllerError(s.controller, reason);
        fulfill(finish, undefined);
      }
    },
    (e) => {
      controllerError(t.readable.controller, e);
      refuse(finish, e);
    },
  );
  return finish;
}

function transformClose(t) {
  if (t.finish !== null) return t.finish;
  const finish = pending();
  t.finish = finish;
  const p = t.flush();
  clearTransform(t);
  react(
    p,
    () => {
      const s = t.readable;
      if (s.state === isErrored) {
        refuse(finish, s.error);
      } else {
        defaultClose(s.controller);
        fulfill(finish, undefined);
      }
    },
    (e) => {
      controllerError(t.readable.controller, e);
      refuse(finish, e);
    },
  );
  return finish;
}

function transformCancel(t, reason) {
  if (t.finish !== null) return t.finish;
  const finish = pending();
  t.finish = finish;
  const p = t.cancel(reason);
  clearTransform(t);
  const unblock = () => {
    if (t.backpressure) setTransformBackpressure(t, false);
  };
  react(
    p,
    () => {
      const w = t.writable;
      if (w.state === isFailed) {
        refuse(finish, w.error);
      } else {
        writableErrorIfNeeded(w.controller, reason);
        unblock();
        fulfill(finish, undefined);
      }
    },
    (e) => {
      writableErrorIfNeeded(t.writable.controller, e);
      unblock();
      refuse(finish, e);
    },
  );
  return finish;
}

function transformController(t) {
  if (t.object === null) t.object = new TransformStreamDefaultController(internal, t);
  return t.object;
}

class TransformStreamDefaultController {
  #t;
  constructor(key = undefined, t = undefined) {
    if (key !== internal) throw illegalConstructor();
    this.#t = t;
  }
  get desiredSize() {
    return desiredSize(this.#t.readable.controller);
  }
  enqueue(chunk = undefined) {
    transformEnqueue(this.#t, chunk);
  }
  error(reason = undefined) {
    transformError(this.#t, reason);
  }
  terminate() {
    transformTerminate(this.#t);
  }
}
webClass(TransformStreamDefaultController, "TransformStreamDefaultController");

// An identity transform passes bytes on: what is read is what was written, and a write is over when its bytes were read.
// Its readable side is a byte stream. limit is how many bytes there have to be; Infinity: any number.

function identityTransform() {
  const t = { __proto__: null, readable: newReadable(), writable: null, limit: Infinity };
  let waiting = null; // the promise of the write whose chunk has not been read
  let passed = 0;
  const taken = () => {
    const p = waiting;
    waiting = null;
    if (p !== null) fulfill(p, undefined);
    return resolved(undefined);
  };
  const c = newByteController(t.readable, 1); // so that it is pulled when what was written has been read
  c.pull = taken;
  c.cancel = (reason) => {
    writableErrorIfNeeded(t.writable.controller, reason === undefined ? new TypeErrorCtor("The readable side has been cancelled") : reason);
    return taken();
  };
  startReadable(t.readable, c, null, undefined);
  const failed = (e) => {
    controllerError(c, e);
    return refused(e);
  };
  t.writable = writableWith(
    (chunk) => {
      try {
        const bytes = chunkBytes(chunk);
        const n = typedByteLength(bytes);
        if (n === 0) return resolved(undefined);
        passed += n;
        if (passed > t.limit) throw new TypeErrorCtor("Attempt to write too many bytes through a FixedLengthStream.");
        byteChunk(c, bytes);
      } catch (e) {
        return failed(e);
      }
      if (c.total === 0 || !controllerOpen(c)) return resolved(undefined);
      waiting = pending();
      return waiting;
    },
    () => {
      if (passed < t.limit && t.limit !== Infinity) return failed(new TypeErrorCtor("FixedLengthStream did not see all expected bytes before close()."));
      try {
        byteClose(c);
        if (c.pullIntos.length > 0) byteRespond(c, 0);
        return resolved(undefined);
      } catch (e) {
        return refused(e);
      }
    },
    (reason) => {
      controllerError(c, reason);
      taken();
      return resolved(undefined);
    },
    1,
    one,
  );
  return t;
}

// chunkBytes is a copy of the bytes of a chunk, as byte transforms take it.
function chunkBytes(chunk) {
  if (typeof chunk === "string") return host.utf8Encode(chunk);
  const bytes = bytesOf(chunk);
  if (bytes === null) throw new TypeErrorCtor(notBytes);
  return host.bodyBytes(bytes);
}

const notBytes = "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.";

class IdentityTransformStream extends TransformStream {
  constructor(queuingStrategy = undefined) {
    super(internal, identityTransform());
  }
}
webClass(IdentityTransformStream, "IdentityTransformStream");

class FixedLengthStream extends IdentityTransformStream {
  constructor(expectedLength, queuingStrategy = undefined) {
    super();
    transformOf(this).limit = enforceRange(typeof expectedLength === "bigint" ? NumberOf(expectedLength) : expectedLength, "FixedLengthStream: the length");
  }
}
webClass(FixedLengthStream, "FixedLengthStream");
