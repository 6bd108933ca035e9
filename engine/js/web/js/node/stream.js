// node:stream. The state of each side is an object of its own, which is not reached from outside but through the documented
// getters. What Node does in process.nextTick is done in microtasks.

const {
  apply, defineProperty, getOwnPropertyDescriptor, setPrototypeOf, objectKeys, push, splice, arrIndexOf, arrSlice, invalidArg, outOfRange, nodeError, needFunction, ErrorCtor, TypeErrorCtor, RangeErrorCtor,
  PromiseCtor, promiseThen, isErrorObject, isAbortSignal, onAbort, asyncIteratorSymbol, iteratorSymbol, typedTag, hide, isView, bytesOf, uncurry, getPrototypeOf,
} = kit;
const EventEmitter = need("events");
const { Buffer } = need("buffer");
const { nextTick } = need("process");

let defaultBytes = 65536;
let defaultObjects = 16;
const defaultMark = (objectMode) => (objectMode ? defaultObjects : defaultBytes);

const readableState = Symbol("readableState");
const writableState = Symbol("writableState");
const destroyState = Symbol("destroyState");

function abortError(signal) {
  const e = new ErrorCtor("The operation was aborted", signal === undefined ? undefined : { cause: signal.reason });
  e.name = "AbortError";
  e.code = "ABORT_ERR";
  return e;
}

function markFrom(options, objectMode, side, isDuplex) {
  const own = isDuplex && options[`${side}HighWaterMark`] != null ? `${side}HighWaterMark` : "highWaterMark";
  const v = options?.[own];
  if (v === undefined || v === null) return defaultMark(objectMode);
  if (!Number.isInteger(v) || v < 0) throw nodeError(TypeErrorCtor, "ERR_INVALID_ARG_VALUE", `The property 'options.${own}' is invalid. Received ${kit.inspect(v, kit.inspection())}`);
  return v;
}

const toBytes = (chunk) => (typedTag(chunk) === "Uint8Array" ? (chunk instanceof Buffer ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)) : chunk);

// --- What both sides have: how they end

function Stream(options) {
  EventEmitter.call(this, options);
}
setPrototypeOf(Stream.prototype, EventEmitter.prototype);
setPrototypeOf(Stream, EventEmitter);

// pipe of the base class hands on what is emitted.
Stream.prototype.pipe = function (dest, options = undefined) {
  const source = this;
  const data = (chunk) => {
    if (dest.writable && dest.write(chunk) === false && source.pause) source.pause();
  };
  const drain = () => source.readable && source.resume && source.resume();
  source.on("data", data);
  dest.on("drain", drain);
  if (!dest._isStdio && options?.end !== false) {
    let ended = false;
    source.on("end", () => {
      if (!ended) {
        ended = true;
        dest.end();
      }
    });
    source.on("close", () => {
      if (!ended) {
        ended = true;
        if (typeof dest.destroy === "function") dest.destroy();
      }
    });
  }
  dest.emit("pipe", source);
  return dest;
};

function initDestroy(stream, options) {
  defineProperty(stream, destroyState, {
    __proto__: null, enumerable: false, writable: true, configurable: true,
    value: {
      destroyed: false, closed: false, closeEmitted: false, errored: null, errorEmitted: false, emitClose: options?.emitClose !== false, autoDestroy: options?.autoDestroy !== false,
      constructed: true, onConstructed: [],
    },
  });
}

// construct runs _construct, if a class has one, before anything else happens to the stream.
function construct(stream) {
  if (typeof stream._construct !== "function") return;
  const d = stream[destroyState];
  d.constructed = false;
  nextTick(() => {
    let called = false;
    const done = (e) => {
      if (called) {
        errorOrDestroy(stream, e ?? nodeError(ErrorCtor, "ERR_MULTIPLE_CALLBACK", "Callback called multiple times"));
        return;
      }
      called = true;
      d.constructed = true;
      if (d.destroyed) stream.emit("everloop:constructed", e);
      else if (e) errorOrDestroy(stream, e);
      const list = d.onConstructed;
      d.onConstructed = [];
      for (let i = 0; i < list.length; i++) nextTick(list[i]);
    };
    try {
      stream._construct((e) => nextTick(done, e));
    } catch (e) {
      nextTick(done, e);
    }
  });
}

function whenConstructed(stream, f) {
  const d = stream[destroyState];
  if (d.constructed) return true;
  push(d.onConstructed, f);
  return false;
}

function errorOrDestroy(stream, e, sync = false) {
  const d = stream[destroyState];
  if (d.destroyed) return;
  if (d.autoDestroy) {
    stream.destroy(e);
    return;
  }
  d.errored ??= e;
  if (sync) nextTick(emitError, stream, e);
  else emitError(stream, e);
}

function emitError(stream, e) {
  const d = stream[destroyState];
  if (d.errorEmitted) return;
  d.errorEmitted = true;
  stream.emit("error", e);
}

function emitClose(stream) {
  const d = stream[destroyState];
  if (d.closeEmitted) return;
  d.closeEmitted = true;
  if (d.emitClose) stream.emit("close");
}

function destroy(error = undefined, callback = undefined) {
  const d = this[destroyState];
  if (d.destroyed) {
    if (typeof callback === "function") callback();
    return this;
  }
  if (error) d.errored ??= error;
  d.destroyed = true;
  const run = () => {
    let called = false;
    const done = (e) => {
      if (called) return;
      called = true;
      if (e) d.errored ??= e;
      d.closed = true;
      if (typeof callback === "function") callback(e);
      nextTick(() => {
        if (e) emitError(this, e);
        emitClose(this);
      });
    };
    try {
      this._destroy(error || null, done);
    } catch (e) {
      done(e);
    }
  };
  if (d.constructed) run();
  else this.once("everloop:constructed", run);
  const w = this[writableState];
  if (w !== undefined) dropWrites(this, w);
  return this;
}

const destroyers = {
  destroy,
  _destroy(error, callback) {
    callback(error);
  },
  [EventEmitter.captureRejectionSymbol](error) {
    this.destroy(error);
  },
};

const shared = {
  destroyed: {
    get() {
      return this[destroyState]?.destroyed ?? false;
    },
    set(v) {
      if (this[destroyState]) this[destroyState].destroyed = v;
    },
  },
  closed: { get() { return this[destroyState]?.closed ?? false; } },
  errored: { get() { return this[destroyState]?.errored ?? null; } },
};

// --- Readable

function Readable(options) {
  if (!(this instanceof Readable)) return new Readable(options);
  initReadable(this, options, this instanceof Duplex);
  initDestroy(this, options);
  if (options) {
    if (typeof options.read === "function") this._read = options.read;
    if (typeof options.destroy === "function") this._destroy = options.destroy;
    if (typeof options.construct === "function") this._construct = options.construct;
    if (options.signal) addAbortSignal(options.signal, this);
  }
  Stream.call(this, options);
  if (!(this instanceof Duplex)) construct(this);
}
setPrototypeOf(Readable.prototype, Stream.prototype);
setPrototypeOf(Readable, Stream);

function initReadable(stream, options, isDuplex) {
  const objectMode = !!(options && (options.objectMode || (isDuplex && options.readableObjectMode)));
  hide(stream, readableState, {
    objectMode, mark: markFrom(options ?? {}, objectMode, "readable", isDuplex), buffer: [], length: 0, flowing: null, ended: false, endEmitted: false, reading: false, sync: true,
    needReadable: false, emittedReadable: false, listening: false, resumeScheduled: false, pipes: [], awaitDrain: null, decoder: null, encoding: null, dataEmitted: false, paused: undefined,
    defaultEncoding: options?.defaultEncoding || "utf8", readingMore: false,
  });
  if (options?.encoding) {
    const { StringDecoder } = need("string_decoder");
    stream[readableState].decoder = new StringDecoder(options.encoding);
    stream[readableState].encoding = options.encoding;
  }
}

const readable = Readable.prototype;

readable.push = function (chunk, encoding) {
  return addChunk(this, chunk, encoding, false);
};
readable.unshift = function (chunk, encoding) {
  return addChunk(this, chunk, encoding, true);
};

function addChunk(stream, chunk, encoding, front) {
  const s = stream[readableState];
  if (!s.objectMode) {
    if (typeof chunk === "string") {
      encoding = encoding || s.defaultEncoding;
      if (s.encoding !== encoding) {
        if (front && s.encoding) chunk = Buffer.from(chunk, encoding).toString(s.encoding);
        else chunk = Buffer.from(chunk, encoding);
      }
    } else if (typedTag(chunk) === "Uint8Array") chunk = toBytes(chunk);
    else if (isView(chunk)) chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    else if (chunk !== undefined && chunk !== null) {
      errorOrDestroy(stream, invalidArg("chunk", "of type string or an instance of Buffer, TypedArray, or DataView", chunk));
      return false;
    }
  }
  if (chunk === undefined && !s.objectMode) chunk = "";
  if (chunk === null) {
    s.reading = false;
    endOfChunks(stream, s);
    return false;
  }
  const size = s.objectMode ? 1 : chunk.length;
  if (size > 0 || s.objectMode) {
    if (front) {
      if (s.endEmitted) errorOrDestroy(stream, nodeError(ErrorCtor, "ERR_STREAM_UNSHIFT_AFTER_END_EVENT", "stream.unshift() after end event"));
      else if (!stream[destroyState].destroyed && !stream[destroyState].errored) place(stream, s, chunk, true);
    } else if (s.ended) {
      errorOrDestroy(stream, nodeError(ErrorCtor, "ERR_STREAM_PUSH_AFTER_EOF", "stream.push() after EOF"));
    } else if (stream[destroyState].destroyed || stream[destroyState].errored) {
      return false;
    } else {
      s.reading = false;
      if (s.decoder && !encoding) {
        chunk = s.decoder.write(chunk);
        if (s.objectMode || chunk.length !== 0) place(stream, s, chunk, false);
        else maybeReadMore(stream, s);
      } else place(stream, s, chunk, false);
    }
  } else if (!front) {
    s.reading = false;
    maybeReadMore(stream, s);
  }
  return !s.ended && (s.length < s.mark || s.length === 0);
}

function place(stream, s, chunk, front) {
  if (s.flowing && s.length === 0 && !s.sync && stream.listenerCount("data") > 0) {
    s.dataEmitted = true;
    stream.emit("data", chunk);
  } else {
    s.length += s.objectMode ? 1 : chunk.length;
    if (front) splice(s.buffer, 0, 0, chunk);
    else push(s.buffer, chunk);
    if (s.needReadable) emitReadable(stream);
  }
  maybeReadMore(stream, s);
}

function endOfChunks(stream, s) {
  if (s.ended) return;
  if (s.decoder) {
    const rest = s.decoder.end();
    if (rest && rest.length) {
      push(s.buffer, rest);
      s.length += s.objectMode ? 1 : rest.length;
    }
  }
  s.ended = true;
  if (s.sync) emitReadable(stream);
  else {
    s.needReadable = false;
    s.emittedReadable = true;
    emitReadableNow(stream);
  }
}

function emitReadable(stream) {
  const s = stream[readableState];
  s.needReadable = false;
  if (s.emittedReadable) return;
  s.emittedReadable = true;
  nextTick(emitReadableNow, stream);
}

function emitReadableNow(stream) {
  const s = stream[readableState];
  if (!stream[destroyState].destroyed && !stream[destroyState].errored && (s.length || s.ended)) {
    stream.emit("readable");
    s.emittedReadable = false;
  }
  s.needReadable = !s.flowing && !s.ended && s.length <= s.mark;
  flow(stream);
}

function maybeReadMore(stream, s) {
  if (s.readingMore || !stream[destroyState].constructed) return;
  s.readingMore = true;
  nextTick(() => {
    while (!s.reading && !s.ended && (s.length < s.mark || (s.flowing && s.length === 0))) {
      const was = s.length;
      stream.read(0);
      if (was === s.length) break;
    }
    s.readingMore = false;
  });
}

readable._read = function () {
  throw nodeError(ErrorCtor, "ERR_METHOD_NOT_IMPLEMENTED", "The _read() method is not implemented");
};

function howMuch(n, s) {
  if (n <= 0 || (s.length === 0 && s.ended)) return 0;
  if (s.objectMode) return 1;
  if (n !== n) return s.flowing && s.length ? s.buffer[0].length : s.length;
  if (n <= s.length) return n;
  return s.ended ? s.length : 0;
}

readable.read = function (n) {
  n = n === undefined ? NaN : Number.isInteger(n) ? n : Number.parseInt(n, 10);
  const s = this[readableState];
  const asked = n;
  if (n > s.mark) s.mark = 2 ** Math.ceil(Math.log2(n));
  if (n !== 0) s.emittedReadable = false;
  if (n === 0 && s.needReadable && ((s.mark !== 0 ? s.length >= s.mark : s.length > 0) || s.ended)) {
    if (s.length === 0 && s.ended) endReadable(this);
    else emitReadable(this);
    return null;
  }
  n = howMuch(n, s);
  if (n === 0 && s.ended) {
    if (s.length === 0) endReadable(this);
    return null;
  }
  const d = this[destroyState];
  let doRead = s.needReadable || s.length === 0 || s.length - n < s.mark;
  if (s.ended || s.reading || d.destroyed || d.errored) doRead = false;
  if (doRead && !d.constructed) {
    whenConstructed(this, () => maybeReadMore(this, s));
    doRead = false;
    maybeReadMore(this, s);
  }
  if (doRead) {
    s.reading = true;
    s.sync = true;
    if (s.length === 0) s.needReadable = true;
    try {
      this._read(s.mark);
    } catch (e) {
      errorOrDestroy(this, e);
    }
    s.sync = false;
    if (!s.reading) n = howMuch(asked, s);
  }
  let out = n > 0 ? take(n, s) : null;
  if (out === null) {
    s.needReadable = s.length <= s.mark;
    n = 0;
  } else {
    s.length -= n;
    s.awaitDrain = null;
  }
  if (s.length === 0) {
    if (!s.ended) s.needReadable = true;
    if (asked !== n && s.ended) endReadable(this);
  }
  if (out !== null && !d.errored && !d.closeEmitted) {
    s.dataEmitted = true;
    this.emit("data", out);
  }
  return out;
};

function take(n, s) {
  if (s.length === 0) return null;
  if (s.objectMode) return splice(s.buffer, 0, 1)[0];
  if (!n || n >= s.length) {
    const all = s.buffer;
    s.buffer = [];
    if (s.decoder) return all.join("");
    return all.length === 1 ? all[0] : Buffer.concat(all, s.length);
  }
  const parts = [];
  let left = n;
  while (left > 0) {
    const first = s.buffer[0];
    if (first.length <= left) {
      push(parts, first);
      splice(s.buffer, 0, 1);
      left -= first.length;
    } else {
      push(parts, first.slice(0, left));
      s.buffer[0] = first.slice(left);
      left = 0;
    }
  }
  if (s.decoder) return parts.join("");
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

function endReadable(stream) {
  const s = stream[readableState];
  if (s.endEmitted) return;
  s.ended = true;
  nextTick(() => {
    const d = stream[destroyState];
    if (d.errored || d.closeEmitted || s.endEmitted || s.length !== 0) return;
    s.endEmitted = true;
    stream.emit("end");
    const w = stream[writableState];
    if (w !== undefined && stream.allowHalfOpen === false) {
      nextTick(() => {
        if (stream.writable && !w.ended && !d.destroyed) stream.end();
      });
    } else if (d.autoDestroy && (w === undefined || (d.autoDestroy && (w.finished || w.writableGone)))) {
      stream.destroy();
    }
  });
}

readable.pipe = function (dest, options = undefined) {
  const source = this;
  const s = this[readableState];
  push(s.pipes, dest);
  const finish = options?.end !== false ? () => dest.end() : () => source.unpipe(dest);
  let cleaned = false;
  let onDrain = null;
  if (s.endEmitted) nextTick(finish);
  else source.once("end", finish);
  const onUnpipe = (from, info) => {
    if (from === source && info && info.hasUnpiped === false) {
      info.hasUnpiped = true;
      cleanup();
    }
  };
  dest.on("unpipe", onUnpipe);
  const pause = () => {
    if (!cleaned) {
      s.awaitDrain ??= new Set();
      s.awaitDrain.add(dest);
      source.pause();
    }
    if (onDrain === null) {
      onDrain = () => {
        s.awaitDrain?.delete(dest);
        if ((s.awaitDrain === null || s.awaitDrain.size === 0) && source.listenerCount("data") > 0) source.resume();
      };
      dest.on("drain", onDrain);
    }
  };
  const onData = (chunk) => {
    if (dest.write(chunk) === false) pause();
  };
  source.on("data", onData);
  const onError = (e) => {
    source.unpipe(dest);
    dest.removeListener("error", onError);
    if (dest.listenerCount("error") === 0) {
      if (dest[destroyState] && !dest[destroyState].errorEmitted) errorOrDestroy(dest, e);
      else dest.emit("error", e);
    }
  };
  dest.prependListener("error", onError);
  const onClose = () => {
    dest.removeListener("finish", onFinish);
    source.unpipe(dest);
  };
  const onFinish = () => {
    dest.removeListener("close", onClose);
    source.unpipe(dest);
  };
  dest.once("close", onClose);
  dest.once("finish", onFinish);
  const cleanup = () => {
    cleaned = true;
    dest.removeListener("close", onClose);
    dest.removeListener("finish", onFinish);
    if (onDrain !== null) dest.removeListener("drain", onDrain);
    dest.removeListener("error", onError);
    dest.removeListener("unpipe", onUnpipe);
    source.removeListener("end", finish);
    source.removeListener("data", onData);
    if (onDrain !== null && s.awaitDrain?.has(dest)) onDrain();
  };
  dest.emit("pipe", source);
  if (dest.writableNeedDrain === true) pause();
  else if (!s.flowing) source.resume();
  return dest;
};

readable.unpipe = function (dest = undefined) {
  const s = this[readableState];
  if (s.pipes.length === 0) return this;
  if (dest === undefined) {
    const all = s.pipes;
    s.pipes = [];
    this.pause();
    for (let i = 0; i < all.length; i++) all[i].emit("unpipe", this, { hasUnpiped: false });
    return this;
  }
  const i = arrIndexOf(s.pipes, dest);
  if (i < 0) return this;
  splice(s.pipes, i, 1);
  if (s.pipes.length === 0) this.pause();
  dest.emit("unpipe", this, { hasUnpiped: false });
  return this;
};

readable.on = function (type, listener) {
  const out = Stream.prototype.on.call(this, type, listener);
  const s = this[readableState];
  if (type === "data") {
    s.listening = this.listenerCount("readable") > 0;
    if (s.flowing !== false) this.resume();
  } else if (type === "readable" && !s.endEmitted && !s.listening) {
    s.listening = s.needReadable = true;
    s.flowing = false;
    s.emittedReadable = false;
    if (s.length) emitReadable(this);
    else if (!s.reading) nextTick(() => this.read(0));
  }
  return out;
};
readable.addListener = readable.on;
readable.removeListener = function (type, listener) {
  const out = Stream.prototype.removeListener.call(this, type, listener);
  if (type === "readable") nextTick(updateListening, this);
  return out;
};
readable.off = readable.removeListener;
readable.removeAllListeners = function (type) {
  const out = apply(Stream.prototype.removeAllListeners, this, arguments);
  if (type === "readable" || type === undefined) nextTick(updateListening, this);
  return out;
};

function updateListening(stream) {
  const s = stream[readableState];
  s.listening = stream.listenerCount("readable") > 0;
  if (s.resumeScheduled && s.paused === false) s.flowing = true;
  else if (stream.listenerCount("data") > 0) stream.resume();
  else if (!s.listening) s.flowing = null;
}

readable.resume = function () {
  const s = this[readableState];
  if (!s.flowing) {
    s.flowing = !s.listening;
    if (!s.resumeScheduled) {
      s.resumeScheduled = true;
      nextTick(() => {
        if (!s.reading) this.read(0);
        s.resumeScheduled = false;
        this.emit("resume");
        flow(this);
        if (s.flowing && !s.reading) this.read(0);
      });
    }
  }
  s.paused = false;
  return this;
};
readable.pause = function () {
  const s = this[readableState];
  if (s.flowing !== false) {
    s.flowing = false;
    this.emit("pause");
  }
  s.paused = true;
  return this;
};
readable.isPaused = function () {
  return this[readableState].paused === true || this[readableState].flowing === false;
};

function flow(stream) {
  const s = stream[readableState];
  while (s.flowing && stream.read() !== null);
}

readable.setEncoding = function (encoding) {
  const { StringDecoder } = need("string_decoder");
  const s = this[readableState];
  const decoder = new StringDecoder(encoding);
  s.decoder = decoder;
  s.encoding = decoder.encoding;
  let text = "";
  for (let i = 0; i < s.buffer.length; i++) text += decoder.write(s.buffer[i]);
  s.buffer = text === "" ? [] : [text];
  s.length = text.length;
  return this;
};

readable.wrap = function (old) {
  let paused = false;
  old.on("data", (chunk) => {
    if (!this.push(chunk) && old.pause) {
      paused = true;
      old.pause();
    }
  });
  old.on("end", () => this.push(null));
  old.on("error", (e) => errorOrDestroy(this, e));
  old.on("close", () => this.destroy());
  this._read = () => {
    if (paused && old.resume) {
      paused = false;
      old.resume();
    }
  };
  return this;
};

readable.iterator = function (options = undefined) {
  return iterate(this, options);
};
defineProperty(readable, asyncIteratorSymbol, { __proto__: null, value() { return iterate(this); }, writable: true, configurable: true });

async function* iterate(stream, options = undefined) {
  let wake = null;
  const next = () => {
    if (wake !== null) {
      wake();
      wake = null;
    }
  };
  stream.on("readable", next);
  let error; // undefined: goes on; null: ended
  const forget = finished(stream, { writable: false }, (e) => {
    error = e ? e : null;
    next();
  });
  try {
    for (;;) {
      const chunk = stream.destroyed ? null : stream.read();
      if (chunk !== null) yield chunk;
      else if (error) throw error;
      else if (error === null) return;
      else await new PromiseCtor((resolve) => (wake = resolve));
    }
  } catch (e) {
    error = e;
    throw e;
  } finally {
    if ((error || options?.destroyOnReturn !== false) && (error === undefined || stream[destroyState]?.autoDestroy)) {
      destroyIt(stream, null);
    } else {
      stream.off("readable", next);
      forget();
    }
  }
}

const readableProps = {
  readable: {
    get() {
      const s = this[readableState];
      return !!s && s.readable !== false && !this[destroyState].destroyed && !s.endEmitted && !this[destroyState].errored;
    },
    set(v) {
      if (this[readableState]) this[readableState].readable = !!v;
    },
  },
  readableDidRead: { get() { return this[readableState].dataEmitted; } },
  readableAborted: { get() { const s = this[readableState]; return s.readable !== false && (this[destroyState].destroyed || !!this[destroyState].errored) && !s.endEmitted; } },
  readableHighWaterMark: { get() { return this[readableState].mark; } },
  readableFlowing: { get() { return this[readableState].flowing; }, set(v) { if (this[readableState]) this[readableState].flowing = v; } },
  readableLength: { get() { return this[readableState].length; } },
  readableObjectMode: { get() { return this[readableState]?.objectMode ?? false; } },
  readableEncoding: { get() { return this[readableState]?.encoding ?? null; } },
  readableEnded: { get() { return this[readableState]?.endEmitted ?? false; } },
};

Readable.from = function (iterable, options = undefined) {
  if (typeof iterable === "string" || iterable instanceof Buffer) {
    return new Readable({ objectMode: true, ...options, read() { this.push(iterable); this.push(null); } });
  }
  let iterator, isAsync;
  if (iterable?.[asyncIteratorSymbol]) {
    isAsync = true;
    iterator = iterable[asyncIteratorSymbol]();
  } else if (iterable?.[iteratorSymbol]) {
    isAsync = false;
    iterator = iterable[iteratorSymbol]();
  } else throw invalidArg("iterable", "an instance of Iterable", iterable);
  const stream = new Readable({ objectMode: true, highWaterMark: 1, ...options });
  let reading = false;
  stream._read = function () {
    if (!reading) {
      reading = true;
      next();
    }
  };
  stream._destroy = function (error, callback) {
    const close = async () => {
      if (error != null && typeof iterator.throw === "function") {
        const { value, done } = await iterator.throw(error);
        await value;
        if (done) return;
      }
      if (typeof iterator.return === "function") await (await iterator.return()).value;
    };
    promiseThen(close(), () => nextTick(callback, error), (e) => nextTick(callback, e || error));
  };
  async function next() {
    for (;;) {
      try {
        const { value, done } = isAsync ? await iterator.next() : iterator.next();
        if (done) {
          stream.push(null);
          return;
        }
        const chunk = value && typeof value.then === "function" ? await value : value;
        if (chunk === null) {
          reading = false;
          throw nodeError(TypeErrorCtor, "ERR_STREAM_NULL_VALUES", "May not write null values to stream");
        }
        if (stream.push(chunk)) continue;
        reading = false;
      } catch (e) {
        stream.destroy(e);
      }
      return;
    }
  }
  return stream;
};
Readable.wrap = (source, options) => new Readable({ objectMode: source.readableObjectMode ?? source.objectMode ?? true, ...options, destroy(e, callback) { destroyIt(source, e); callback(e); } }).wrap(source);

// --- Helpers over a Readable, as iterators have them

function concurrencyOf(options) {
  const n = options?.concurrency ?? 1;
  if (!Number.isInteger(n) || n < 1) throw outOfRange("concurrency", ">= 1 && <= 9007199254740991", n);
  return n;
}

async function* mapped(stream, f, options) {
  const most = concurrencyOf(options);
  const controller = new AbortController();
  const outer = options?.signal;
  if (outer?.aborted) throw abortError(outer);
  const forget = outer === undefined ? null : onAbort(outer, () => controller.abort(outer.reason));
  const { signal } = controller;
  const queue = [];
  const iterator = stream[asyncIteratorSymbol]();
  let ended = false;
  try {
    for (;;) {
      while (!ended && queue.length < most) {
        const { value, done } = await iterator.next();
        if (signal.aborted) throw abortError(outer);
        if (done) ended = true;
        else {
          const p = (async () => f(value, { signal }))();
          promiseThen(p, undefined, () => {});
          push(queue, p);
        }
      }
      if (queue.length === 0) return;
      const v = await splice(queue, 0, 1)[0];
      if (signal.aborted) throw abortError(outer);
      yield v;
    }
  } finally {
    if (forget !== null) forget();
    controller.abort();
    if (!ended) await iterator.return?.();
  }
}

const streamReturning = {
  map(f, options) {
    needFunction(f, "fn");
    return mapped(this, f, options);
  },
  filter(f, options) {
    needFunction(f, "fn");
    return (async function* (stream) {
      for await (const [keep, v] of mapped(stream, async (v, o) => [await f(v, o), v], options)) if (keep) yield v;
    })(this);
  },
  flatMap(f, options) {
    needFunction(f, "fn");
    return (async function* (stream) {
      for await (const many of mapped(stream, f, options)) yield* many;
    })(this);
  },
  drop(n, options) {
    n = count(n);
    return (async function* (stream) {
      for await (const v of stream) {
        if (options?.signal?.aborted) throw abortError(options.signal);
        if (n-- <= 0) yield v;
      }
    })(this);
  },
  take(n, options) {
    n = count(n);
    return (async function* (stream) {
      if (n === 0) return;
      for await (const v of stream) {
        if (options?.signal?.aborted) throw abortError(options.signal);
        if (n-- > 0) yield v;
        if (n <= 0) return;
      }
    })(this);
  },
  asIndexedPairs() {
    return (async function* (stream) {
      let i = 0;
      for await (const v of stream) yield [i++, v];
    })(this);
  },
};
function count(n) {
  n = Number(n);
  if (n !== n) return 0;
  if (n < 0) throw outOfRange("number", ">= 0", n);
  return n;
}
for (const name of objectKeys(streamReturning)) {
  const f = streamReturning[name];
  defineProperty(readable, name, {
    __proto__: null, enumerable: false, writable: true, configurable: true,
    value(...args) {
      return Readable.from(apply(f, this, args));
    },
  });
}
const promiseReturning = {
  async forEach(f, options) {
    needFunction(f, "fn");
    for await (const _ of mapped(this, async (v, o) => void (await f(v, o)), options));
  },
  async toArray(options) {
    const out = [];
    for await (const v of this) {
      if (options?.signal?.aborted) throw abortError(options.signal);
      push(out, v);
    }
    return out;
  },
  async some(f, options) {
    needFunction(f, "fn");
    for await (const hit of mapped(this, f, options)) if (hit) return true;
    return false;
  },
  async every(f, options) {
    needFunction(f, "fn");
    for await (const hit of mapped(this, f, options)) if (!hit) return false;
    return true;
  },
  async find(f, options) {
    needFunction(f, "fn");
    for await (const [hit, v] of mapped(this, async (v, o) => [await f(v, o), v], options)) if (hit) return v;
    return undefined;
  },
  async reduce(f, initial, options) {
    needFunction(f, "reducer");
    let has = arguments.length > 1;
    let out = initial;
    for await (const v of this) {
      if (options?.signal?.aborted) throw abortError(options.signal);
      if (!has) {
        out = v;
        has = true;
      } else out = await f(out, v, { signal: options?.signal });
    }
    if (!has) throw new TypeErrorCtor("Reduce of an empty stream requires an initial value");
    return out;
  },
};
for (const name of objectKeys(promiseReturning)) hide(readable, name, promiseReturning[name]);

// --- Writable

function Writable(options) {
  if (!(this instanceof Writable) && !(this instanceof Duplex)) return new Writable(options);
  initWritable(this, options, false);
  initDestroy(this, options);
  takeWriter(this, options);
  if (options) {
    if (typeof options.destroy === "function") this._destroy = options.destroy;
    if (typeof options.construct === "function") this._construct = options.construct;
    if (options.signal) addAbortSignal(options.signal, this);
  }
  Stream.call(this, options);
  construct(this);
}
setPrototypeOf(Writable.prototype, Stream.prototype);
setPrototypeOf(Writable, Stream);
defineProperty(Writable, Symbol.hasInstance, {
  __proto__: null,
  value(v) {
    if (Function.prototype[Symbol.hasInstance].call(this, v)) return true;
    return this === Writable && !!v && v[writableState] !== undefined;
  },
});

function takeWriter(stream, options) {
  if (!options) return;
  if (typeof options.write === "function") stream._write = options.write;
  if (typeof options.writev === "function") stream._writev = options.writev;
  if (typeof options.final === "function") stream._final = options.final;
}

function initWritable(stream, options, isDuplex) {
  const objectMode = !!(options && (options.objectMode || (isDuplex && options.writableObjectMode)));
  hide(stream, writableState, {
    objectMode, mark: markFrom(options ?? {}, objectMode, "writable", isDuplex), length: 0, buffer: [], writing: false, sync: true, corked: 0, needDrain: false, ending: false, ended: false,
    finished: false, prefinished: false, finalCalled: false, decodeStrings: options?.decodeStrings !== false, defaultEncoding: options?.defaultEncoding || "utf8", callback: null, size: 0,
    bufferProcessing: false, pending: 0, onFinished: [], writableGone: false,
  });
}

const writable = Writable.prototype;

writable.pipe = function () {
  errorOrDestroy(this, nodeError(ErrorCtor, "ERR_STREAM_CANNOT_PIPE", "Cannot pipe, not readable"));
};

writable.write = function (chunk, encoding, callback) {
  if (typeof encoding === "function") {
    callback = encoding;
    encoding = null;
  }
  return write(this, chunk, encoding, callback) === true;
};

function write(stream, chunk, encoding, callback) {
  const s = stream[writableState];
  const d = stream[destroyState];
  if (typeof callback !== "function") callback = () => {};
  encoding = encoding || s.defaultEncoding;
  if (encoding !== "buffer" && !Buffer.isEncoding(encoding)) throw nodeError(TypeErrorCtor, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${encoding}`);
  if (chunk === null) throw nodeError(TypeErrorCtor, "ERR_STREAM_NULL_VALUES", "May not write null values to stream");
  if (!s.objectMode) {
    if (typeof chunk === "string") {
      if (s.decodeStrings) {
        chunk = Buffer.from(chunk, encoding);
        encoding = "buffer";
      }
    } else if (typedTag(chunk) === "Uint8Array") {
      chunk = toBytes(chunk);
      encoding = "buffer";
    } else if (isView(chunk)) {
      chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      encoding = "buffer";
    } else throw invalidArg("chunk", "of type string or an instance of Buffer, TypedArray, or DataView", chunk);
  }
  let error;
  if (s.ending) error = nodeError(ErrorCtor, "ERR_STREAM_WRITE_AFTER_END", "write after end");
  else if (d.destroyed) error = nodeError(ErrorCtor, "ERR_STREAM_DESTROYED", "Cannot call write after a stream was destroyed");
  if (error !== undefined) {
    nextTick(callback, error);
    errorOrDestroy(stream, error, true);
    return error;
  }
  s.pending++;
  const size = s.objectMode ? 1 : chunk.length;
  s.length += size;
  const room = s.length < s.mark;
  if (!room) s.needDrain = true;
  if (s.writing || s.corked || d.errored || !d.constructed) {
    push(s.buffer, { chunk, encoding, callback });
    if (!d.constructed) whenConstructed(stream, () => clearBuffer(stream, s));
  } else {
    begin(stream, s, size, callback);
    callWrite(stream, s, () => stream._write(chunk, encoding, s.onwrite));
  }
  return room && !d.errored && !d.destroyed;
}

function begin(stream, s, size, callback) {
  s.size = size;
  s.callback = callback;
  s.writing = true;
  s.sync = true;
  let called = false;
  s.onwrite = (e) => {
    if (called) {
      errorOrDestroy(stream, nodeError(ErrorCtor, "ERR_MULTIPLE_CALLBACK", "Callback called multiple times"));
      return;
    }
    called = true;
    written(stream, e);
  };
}

function callWrite(stream, s, f) {
  if (stream[destroyState].destroyed) {
    s.onwrite(nodeError(ErrorCtor, "ERR_STREAM_DESTROYED", "Cannot call write after a stream was destroyed"));
  } else f();
  s.sync = false;
}

function written(stream, e) {
  const s = stream[writableState];
  const d = stream[destroyState];
  const { callback, sync } = s;
  s.writing = false;
  s.callback = null;
  s.length -= s.size;
  if (e) {
    d.errored ??= e;
    const fail = () => {
      s.pending--;
      callback(e);
      dropWrites(stream, s);
      errorOrDestroyForced(stream, e);
    };
    if (sync) nextTick(fail);
    else fail();
    return;
  }
  if (s.buffer.length > 0) clearBuffer(stream, s);
  const after = () => {
    const drain = !s.ending && !d.destroyed && s.length === 0 && s.needDrain;
    if (drain) {
      s.needDrain = false;
      stream.emit("drain");
    }
    s.pending--;
    callback(null);
    if (d.destroyed) dropWrites(stream, s);
    maybeFinish(stream, s);
  };
  if (sync) nextTick(after);
  else after();
}

// errorOrDestroyForced is for an error that is noted in the state already.
function errorOrDestroyForced(stream, e) {
  const d = stream[destroyState];
  if (d.destroyed) return;
  if (d.autoDestroy) stream.destroy(e);
  else emitError(stream, e);
}

function dropWrites(stream, s) {
  if (s.writing) return;
  const list = s.buffer;
  s.buffer = [];
  for (let i = 0; i < list.length; i++) {
    s.length -= s.objectMode ? 1 : list[i].chunk.length;
    nextTick(list[i].callback, stream[destroyState].errored ?? nodeError(ErrorCtor, "ERR_STREAM_DESTROYED", "Cannot call write after a stream was destroyed"));
  }
  const waiting = s.onFinished;
  s.onFinished = [];
  for (let i = 0; i < waiting.length; i++) nextTick(waiting[i], stream[destroyState].errored ?? nodeError(ErrorCtor, "ERR_STREAM_DESTROYED", "Cannot call end after a stream was destroyed"));
}

function clearBuffer(stream, s) {
  if (s.corked || s.bufferProcessing || stream[destroyState].destroyed || s.writing || !stream[destroyState].constructed || s.buffer.length === 0) return;
  s.bufferProcessing = true;
  if (s.buffer.length > 1 && typeof stream._writev === "function") {
    const list = s.buffer;
    s.buffer = [];
    s.pending -= list.length - 1;
    begin(stream, s, s.length, (e) => {
      for (let i = 0; i < list.length; i++) list[i].callback(e);
    });
    list.allBuffers = list.every((x) => x.encoding === "buffer");
    callWrite(stream, s, () => stream._writev(list, s.onwrite));
  } else {
    while (s.buffer.length > 0 && !s.writing) {
      const { chunk, encoding, callback } = splice(s.buffer, 0, 1)[0];
      begin(stream, s, s.objectMode ? 1 : chunk.length, callback);
      callWrite(stream, s, () => stream._write(chunk, encoding, s.onwrite));
    }
  }
  s.bufferProcessing = false;
}

writable._write = function (chunk, encoding, callback) {
  if (typeof this._writev === "function") this._writev([{ chunk, encoding }], callback);
  else throw nodeError(ErrorCtor, "ERR_METHOD_NOT_IMPLEMENTED", "The _write() method is not implemented");
};
writable._writev = null;

writable.cork = function () {
  this[writableState].corked++;
};
writable.uncork = function () {
  const s = this[writableState];
  if (s.corked === 0) return;
  s.corked--;
  if (!s.writing) clearBuffer(this, s);
};
writable.setDefaultEncoding = function (encoding) {
  if (typeof encoding === "string") encoding = encoding.toLowerCase();
  if (!Buffer.isEncoding(encoding)) throw nodeError(TypeErrorCtor, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${encoding}`);
  this[writableState].defaultEncoding = encoding;
  return this;
};

writable.end = function (chunk, encoding, callback) {
  const s = this[writableState];
  const d = this[destroyState];
  if (typeof chunk === "function") {
    callback = chunk;
    chunk = null;
    encoding = null;
  } else if (typeof encoding === "function") {
    callback = encoding;
    encoding = null;
  }
  let error;
  if (chunk !== null && chunk !== undefined) {
    const out = write(this, chunk, encoding);
    if (isErrorObject(out)) error = out;
  }
  if (s.corked) {
    s.corked = 1;
    this.uncork();
  }
  if (error === undefined) {
    if (!d.errored && !s.ending) {
      s.ending = true;
      maybeFinish(this, s, true);
      s.ended = true;
    } else if (s.finished) error = nodeError(ErrorCtor, "ERR_STREAM_ALREADY_FINISHED", "Cannot call end after a stream was finished");
    else if (d.destroyed) error = nodeError(ErrorCtor, "ERR_STREAM_DESTROYED", "Cannot call end after a stream was destroyed");
  }
  if (typeof callback === "function") {
    if (error) nextTick(callback, error);
    else if (s.finished) nextTick(callback);
    else push(s.onFinished, callback);
  }
  return this;
};

function needsFinish(stream, s) {
  const d = stream[destroyState];
  return s.ending && !d.destroyed && d.constructed && s.length === 0 && !d.errored && s.buffer.length === 0 && !s.finished && !s.writing && !d.errorEmitted && !d.closeEmitted;
}

function maybeFinish(stream, s, sync = false) {
  if (s.ending && !stream[destroyState].constructed) {
    whenConstructed(stream, () => maybeFinish(stream, s));
    return;
  }
  if (!needsFinish(stream, s)) return;
  if (!s.prefinished && !s.finalCalled) {
    if (typeof stream._final === "function" && !stream[destroyState].destroyed) {
      s.finalCalled = true;
      callFinal(stream, s);
    } else {
      s.prefinished = true;
      stream.emit("prefinish");
    }
  }
  if (s.pending > 0) return;
  if (s.prefinished) {
    s.pending++;
    nextTick(() => {
      s.pending--;
      if (needsFinish(stream, s)) finish(stream, s);
    });
  }
}

function callFinal(stream, s) {
  let called = false;
  s.pending++;
  const done = (e) => {
    if (called) {
      errorOrDestroy(stream, e ?? nodeError(ErrorCtor, "ERR_MULTIPLE_CALLBACK", "Callback called multiple times"));
      return;
    }
    called = true;
    s.pending--;
    if (e) {
      const waiting = s.onFinished;
      s.onFinished = [];
      for (let i = 0; i < waiting.length; i++) waiting[i](e);
      errorOrDestroy(stream, e, true);
    } else if (!stream[destroyState].destroyed && s.ending) {
      s.prefinished = true;
      stream.emit("prefinish");
      s.pending++;
      nextTick(() => {
        s.pending--;
        if (needsFinish(stream, s)) finish(stream, s);
      });
    }
  };
  try {
    stream._final(done);
  } catch (e) {
    done(e);
  }
}

function finish(stream, s) {
  s.finished = true;
  const waiting = s.onFinished;
  s.onFinished = [];
  for (let i = 0; i < waiting.length; i++) waiting[i]();
  stream.emit("finish");
  const d = stream[destroyState];
  const r = stream[readableState];
  if (d.autoDestroy && (r === undefined || r.endEmitted || r.readable === false)) stream.destroy();
}

const writableProps = {
  writable: {
    get() {
      const s = this[writableState];
      return !!s && s.writable !== false && !this[destroyState].destroyed && !this[destroyState].errored && !s.ending && !s.ended;
    },
    set(v) {
      if (this[writableState]) this[writableState].writable = !!v;
    },
  },
  writableFinished: { get() { return this[writableState]?.finished ?? false; } },
  writableObjectMode: { get() { return this[writableState]?.objectMode ?? false; } },
  writableBuffer: { get() { return this[writableState] && arrSlice(this[writableState].buffer); } },
  writableEnded: { get() { return this[writableState]?.ending ?? false; } },
  writableNeedDrain: { get() { const s = this[writableState]; return !!s && !this[destroyState].destroyed && !s.ending && s.needDrain; } },
  writableHighWaterMark: { get() { return this[writableState]?.mark; } },
  writableCorked: { get() { return this[writableState]?.corked ?? 0; } },
  writableLength: { get() { return this[writableState]?.length; } },
  writableAborted: { get() { const s = this[writableState]; return s.writable !== false && (this[destroyState].destroyed || !!this[destroyState].errored) && !s.finished; } },
};

function properties(proto, table) {
  for (const name of objectKeys(table)) defineProperty(proto, name, { __proto__: null, configurable: true, enumerable: false, ...table[name] });
}
for (const proto of [readable, writable]) {
  properties(proto, shared);
  for (const k of Reflect.ownKeys(destroyers)) hide(proto, k, destroyers[k]);
}
properties(readable, readableProps);
properties(writable, writableProps);
hide(readable, Symbol.asyncDispose ?? Symbol("asyncDispose"), function () {
  const e = this.destroyed ? null : abortError();
  if (e !== null) this.destroy(e);
  return new PromiseCtor((resolve, reject) => finished(this, (err) => (err && err !== e ? reject(err) : resolve(null))));
});

// --- Duplex, Transform, PassThrough

function Duplex(options) {
  if (!(this instanceof Duplex)) return new Duplex(options);
  initWritable(this, options, true);
  Readable.call(this, options);
  takeWriter(this, options);
  this.allowHalfOpen = options?.allowHalfOpen !== false;
  if (options?.readable === false) {
    const r = this[readableState];
    r.readable = false;
    r.ended = r.endEmitted = true;
  }
  if (options?.writable === false) {
    const w = this[writableState];
    w.writable = false;
    w.ending = w.ended = w.finished = true;
    w.writableGone = true;
  }
  construct(this);
}
setPrototypeOf(Duplex.prototype, Readable.prototype);
setPrototypeOf(Duplex, Readable);
for (const k of Reflect.ownKeys(writable)) {
  if (k === "constructor" || k === "pipe" || getOwnPropertyDescriptor(Duplex.prototype, k) !== undefined || k in destroyers || k in shared) continue;
  defineProperty(Duplex.prototype, k, getOwnPropertyDescriptor(writable, k));
}

function Transform(options) {
  if (!(this instanceof Transform)) return new Transform(options);
  if (options?.readableHighWaterMark === 0) options = { ...options, highWaterMark: null, readableHighWaterMark: 0, writableHighWaterMark: options.writableHighWaterMark || 0 };
  Duplex.call(this, options);
  this[readableState].sync = false;
  hide(this, transformCallback, null);
  if (options) {
    if (typeof options.transform === "function") this._transform = options.transform;
    if (typeof options.flush === "function") this._flush = options.flush;
  }
  this.on("prefinish", prefinish);
}
setPrototypeOf(Transform.prototype, Duplex.prototype);
setPrototypeOf(Transform, Duplex);
const transformCallback = Symbol("transformCallback");

function flushTransform(stream, callback) {
  if (typeof stream._flush === "function" && !stream.destroyed) {
    stream._flush((e, data) => {
      if (e) {
        if (callback) callback(e);
        else stream.destroy(e);
        return;
      }
      if (data != null) stream.push(data);
      stream.push(null);
      if (callback) callback();
    });
  } else {
    stream.push(null);
    if (callback) callback();
  }
}
function prefinish() {
  if (this._final !== Transform.prototype._final) flushTransform(this, null);
}
Transform.prototype._final = function (callback) {
  flushTransform(this, callback);
};
Transform.prototype._transform = function () {
  throw nodeError(ErrorCtor, "ERR_METHOD_NOT_IMPLEMENTED", "The _transform() method is not implemented");
};
Transform.prototype._write = function (chunk, encoding, callback) {
  const r = this[readableState];
  const w = this[writableState];
  const length = r.length;
  this._transform(chunk, encoding, (e, v) => {
    if (e) {
      callback(e);
      return;
    }
    if (v != null) this.push(v);
    if (w.ended || length === r.length || r.length < r.mark) callback();
    else this[transformCallback] = callback;
  });
};
Transform.prototype._read = function () {
  if (this[transformCallback]) {
    const callback = this[transformCallback];
    this[transformCallback] = null;
    callback();
  }
};

function PassThrough(options) {
  if (!(this instanceof PassThrough)) return new PassThrough(options);
  Transform.call(this, options);
}
setPrototypeOf(PassThrough.prototype, Transform.prototype);
setPrototypeOf(PassThrough, Transform);
PassThrough.prototype._transform = function (chunk, encoding, callback) {
  callback(null, chunk);
};

for (const [name, Class] of [["Stream", Stream], ["Readable", Readable], ["Writable", Writable], ["Duplex", Duplex], ["Transform", Transform], ["PassThrough", PassThrough]]) {
  hide(Class.prototype, "constructor", Class);
}

// --- finished, pipeline and the like

const isReadableNode = (v) => !!v && typeof v.pipe === "function" && typeof v.on === "function" && (v[writableState] === undefined || v[readableState] !== undefined) && v[readableState] !== undefined;
const isWritableNode = (v) => !!v && typeof v.write === "function" && typeof v.on === "function" && v[writableState] !== undefined;
const isNode = (v) => !!v && (v[readableState] !== undefined || v[writableState] !== undefined || (typeof v.write === "function" && typeof v.on === "function") || (typeof v.pipe === "function" && typeof v.on === "function"));
const isWebReadable = (v) => v instanceof kit.ReadableStream;
const isWebWritable = (v) => v instanceof kit.WritableStream;

function destroyIt(stream, e) {
  if (!stream || stream.destroyed) return;
  if (typeof stream.destroy === "function") stream.destroy(e);
  else if (typeof stream.abort === "function") stream.abort();
  else if (typeof stream.close === "function") nextTick(() => stream.close());
}

const prematureClose = () => nodeError(ErrorCtor, "ERR_STREAM_PREMATURE_CLOSE", "Premature close");

function finished(stream, options, callback) {
  if (arguments.length === 2) {
    callback = options;
    options = {};
  } else options ??= {};
  needFunction(callback, "callback");
  const { signal } = options;
  if (signal !== undefined && !isAbortSignal(signal)) throw invalidArg("options.signal", "an instance of AbortSignal", signal);
  let called = false;
  const within = kit.contextualNow(callback);
  const call = (...args) => {
    if (called) return;
    called = true;
    apply(within, stream, args);
  };
  if (!isNode(stream)) throw invalidArg("stream", "an instance of Stream", stream);
  const r = stream[readableState];
  const w = stream[writableState];
  const d = stream[destroyState];
  const readable = options.readable ?? isReadableNode(stream);
  const writable = options.writable ?? isWritableNode(stream);
  let readableDone = !readable || (r ? r.endEmitted || r.readable === false : false);
  let writableDone = !writable || (w ? w.finished || w.writable === false : false);
  // A stream that emits close is only finished then: what comes before may still fail.
  const willClose = () => d !== undefined && d.autoDestroy && d.emitClose && !d.closeEmitted && (r === undefined || r.endEmitted || r.readable === false) && (w === undefined || w.finished);
  const onFinish = () => {
    writableDone = true;
    if (readableDone && !willClose()) call();
  };
  const onEnd = () => {
    readableDone = true;
    if (writableDone && !willClose()) call();
  };
  const onError = (e) => call(e);
  const onClose = () => {
    const errored = d?.errored;
    if (errored && typeof errored !== "boolean") return call(errored);
    if (readable && !readableDone && isReadableNode(stream) && !r.endEmitted) return call(prematureClose());
    if (writable && !writableDone && w !== undefined && !w.finished) return call(prematureClose());
    call();
  };
  stream.on("end", onEnd);
  stream.on("finish", onFinish);
  if (options.error !== false) stream.on("error", onError);
  stream.on("close", onClose);
  if (d?.closeEmitted) nextTick(onClose);
  else if (d?.errorEmitted) nextTick(onClose);
  else if (d !== undefined && d.closed && !d.emitClose) nextTick(onClose);
  else if (readableDone && writableDone && (d === undefined || !d.autoDestroy || !d.emitClose)) nextTick(onClose);
  const clean = () => {
    called = true;
    stream.removeListener("end", onEnd);
    stream.removeListener("finish", onFinish);
    stream.removeListener("error", onError);
    stream.removeListener("close", onClose);
  };
  if (signal !== undefined) {
    const abort = () => {
      clean();
      apply(within, stream, [abortError(signal)]);
    };
    if (signal.aborted) nextTick(abort);
    else {
      const forget = onAbort(signal, abort);
      return () => {
        forget();
        clean();
      };
    }
  }
  return clean;
}

function addAbortSignal(signal, stream) {
  if (!isAbortSignal(signal)) throw invalidArg("signal", "an instance of AbortSignal", signal);
  if (!isNode(stream)) throw invalidArg("stream", "an instance of Stream", stream);
  const abort = () => stream.destroy(abortError(signal));
  if (signal.aborted) abort();
  else {
    const forget = onAbort(signal, abort);
    if (stream[destroyState] !== undefined && stream._events !== undefined) finished(stream, () => forget());
    else nextTick(() => finished(stream, () => forget()));
  }
  return stream;
}

async function pump(iterable, into, done, end) {
  let error;
  let wake = null;
  const resume = (e) => {
    if (e) error = e;
    if (wake !== null) {
      const f = wake;
      wake = null;
      f();
    }
  };
  const wait = () => new PromiseCtor((resolve, reject) => {
    if (error) reject(error);
    else wake = () => (error ? reject(error) : resolve());
  });
  into.on("drain", resume);
  const forget = finished(into, { readable: false }, resume);
  try {
    if (into.writableNeedDrain) await wait();
    for await (const chunk of iterable) if (!into.write(chunk)) await wait();
    if (end) {
      into.end();
      await wait();
    }
    done();
  } catch (e) {
    done(error !== e ? error ?? e : e);
  } finally {
    forget();
    into.off("drain", resume);
  }
}

function pipeline(...streams) {
  const callback = needFunction(streams[streams.length - 1], "streams[stream.length - 1]");
  let once = false;
  return runPipeline(arrSlice(streams, 0, streams.length - 1), (...args) => {
    if (!once) {
      once = true;
      apply(callback, undefined, args);
    }
  });
}

function runPipeline(streams, callback, options = undefined) {
  if (streams.length === 1 && Array.isArray(streams[0])) streams = streams[0];
  if (streams.length < 2) throw nodeError(TypeErrorCtor, "ERR_MISSING_ARGS", 'The "streams" argument must be specified');
  const controller = new AbortController();
  const { signal } = controller;
  const outer = options?.signal;
  let error;
  let value;
  let left = 0;
  const destroys = [];
  const endLast = options?.end !== false;
  let forgetOuter = null;
  const finish = (e, last) => {
    if (e && (!error || error.code === "ERR_STREAM_PREMATURE_CLOSE")) error = e;
    if (!error && !last) return;
    while (destroys.length > 0) splice(destroys, 0, 1)[0](error);
    forgetOuter?.();
    controller.abort();
    if (last) nextTick(callback, error, value);
  };
  const one = (e) => finish(e, --left === 0);
  if (outer !== undefined) {
    if (!isAbortSignal(outer)) throw invalidArg("options.signal", "an instance of AbortSignal", outer);
    if (outer.aborted) nextTick(() => finish(abortError(outer), left === 0));
    else forgetOuter = onAbort(outer, () => finish(abortError(outer)));
  }
  const watch = (stream, reading, writing) => {
    let done = false;
    const onClosed = () => (done = true);
    finished(stream, { readable: reading, writable: writing }, onClosed);
    push(destroys, (e) => {
      if (done) return;
      done = true;
      destroyIt(stream, e || nodeError(ErrorCtor, "ERR_STREAM_DESTROYED", "Cannot call pipe after a stream was destroyed"));
    });
  };
  let at;
  for (let i = 0; i < streams.length; i++) {
    const stream = streams[i];
    const reading = i < streams.length - 1;
    const writing = i > 0;
    const end = reading || endLast;
    if (isNode(stream)) {
      if (end) watch(stream, reading, writing);
      stream.on("error", (e) => {
        if (e && e.name !== "AbortError" && e.code !== "ERR_STREAM_PREMATURE_CLOSE") finish(e);
      });
    }
    if (i === 0) {
      if (typeof stream === "function") {
        at = stream({ signal });
        if (!at?.[asyncIteratorSymbol] && !at?.[iteratorSymbol]) throw nodeError(TypeErrorCtor, "ERR_INVALID_RETURN_VALUE", `Expected Iterable, AsyncIterable or Stream to be returned from the "source" function but got ${at === null ? "null" : typeof at}.`);
      } else if (isNode(stream) || isWebReadable(stream) || stream?.[asyncIteratorSymbol] || stream?.[iteratorSymbol]) at = stream;
      else if (stream instanceof kit.TransformStream) at = stream.readable;
      else throw invalidArg("source", "of type function or an instance of Stream, Iterable, AsyncIterable, ReadableStream, or TransformStream", stream);
    } else if (typeof stream === "function") {
      at = stream(at, { signal });
      if (reading) {
        if (!at?.[asyncIteratorSymbol] && !at?.[iteratorSymbol]) throw nodeError(TypeErrorCtor, "ERR_INVALID_RETURN_VALUE", `Expected AsyncIterable to be returned from the "transform[${i - 1}]" function but got ${at === null ? "null" : typeof at}.`);
      } else {
        left++;
        const through = new PassThrough({ objectMode: true });
        if (typeof at?.then === "function") {
          promiseThen(
            PromiseCtor.resolve(at),
            (v) => {
              value = v;
              if (v != null) through.write(v);
              if (end) through.end();
              nextTick(one);
            },
            (e) => {
              through.destroy(e);
              nextTick(one, e);
            },
          );
        } else if (at?.[asyncIteratorSymbol]) {
          pump(at, through, (e) => nextTick(one, e), end);
        } else throw nodeError(TypeErrorCtor, "ERR_INVALID_RETURN_VALUE", `Expected AsyncIterable or Promise to be returned from the "destination" function but got ${at === null ? "null" : typeof at}.`);
        at = through;
        watch(at, false, true);
      }
    } else if (isNode(stream)) {
      if (isReadableNode(at) || (isNode(at) && typeof at.pipe === "function")) {
        left += 2;
        at.pipe(stream, { end });
        finished(at, { readable: true, writable: false }, one);
        finished(stream, { readable: false, writable: true }, one);
      } else {
        left++;
        pump(at, stream, one, end);
      }
      at = stream;
    } else if (isWebWritable(stream) || stream instanceof kit.TransformStream) {
      left++;
      const target = isWebWritable(stream) ? stream : stream.writable;
      const source = at;
      (async () => {
        const writer = target.getWriter();
        try {
          for await (const chunk of source) {
            await writer.ready;
            promiseThen(writer.write(chunk), undefined, () => {});
          }
          await writer.ready;
          if (end) await writer.close();
          one();
        } catch (e) {
          await writer.abort(e).catch(() => {});
          one(e);
        }
      })();
      at = isWebWritable(stream) ? stream : stream.readable;
    } else {
      throw invalidArg("destination", "of type function or an instance of Stream, Iterable, AsyncIterable, ReadableStream, WritableStream, or TransformStream", stream);
    }
  }
  return at;
}

// compose makes one Duplex of a chain.
function compose(...streams) {
  if (streams.length === 0) throw nodeError(TypeErrorCtor, "ERR_MISSING_ARGS", 'The "streams" argument must be specified');
  const asNode = (s) => (isNode(s) ? s : typeof s === "function" ? duplexOf(s) : Duplex.from(s));
  const list = streams.map(asNode);
  if (list.length === 1) return list[0];
  const head = list[0];
  const tail = list[list.length - 1];
  const out = new Duplex({
    writableObjectMode: !!head.writableObjectMode, readableObjectMode: !!tail.readableObjectMode, writable: isWritableNode(head), readable: isReadableNode(tail),
    write: (chunk, encoding, callback) => (head.write(chunk, encoding) ? callback() : head.once("drain", callback)),
    final(callback) {
      head.end();
      if (isReadableNode(tail)) callback();
      else tail.once("finish", () => callback());
    },
    read() {
      for (;;) {
        const chunk = tail.read();
        if (chunk === null) {
          tail.once("readable", () => out._read());
          return;
        }
        if (!out.push(chunk)) return;
      }
    },
    destroy(e, callback) {
      for (const s of list) destroyIt(s, e);
      callback(e);
    },
  });
  runPipeline(list, (e) => {
    if (e) out.destroy(e);
  });
  if (isReadableNode(tail)) tail.on("end", () => out.push(null));
  return out;
}

function duplexOf(f) {
  const input = new PassThrough({ objectMode: true });
  const result = f(input);
  if (result?.[asyncIteratorSymbol]) return joined(Readable.from(result, { objectMode: true }), input);
  if (typeof result?.then === "function") {
    const out = new PassThrough({ objectMode: true });
    promiseThen(PromiseCtor.resolve(result), (v) => {
      if (v != null) out.write(v);
      out.end();
    }, (e) => out.destroy(e));
    return joined(out, input);
  }
  throw nodeError(TypeErrorCtor, "ERR_INVALID_RETURN_VALUE", "Expected Iterable, AsyncIterable or AsyncFunction to be returned from the \"body\" function");
}

// joined is a Duplex of a Readable and a Writable.
function joined(r, w) {
  const out = new Duplex({
    readableObjectMode: r ? !!r.readableObjectMode : false, writableObjectMode: w ? !!w.writableObjectMode : false, readable: !!r, writable: !!w,
    write: (chunk, encoding, callback) => (w.write(chunk, encoding) ? callback() : w.once("drain", callback)),
    final(callback) {
      w.end();
      w.once("finish", () => callback());
    },
    read() {
      for (;;) {
        const chunk = r.read();
        if (chunk === null) {
          r.once("readable", () => out._read());
          return;
        }
        if (!out.push(chunk)) return;
      }
    },
    destroy(e, callback) {
      if (r) destroyIt(r, e);
      if (w) destroyIt(w, e);
      callback(e);
    },
  });
  if (r) {
    r.on("end", () => out.push(null));
    r.on("error", (e) => out.destroy(e));
  }
  if (w) w.on("error", (e) => out.destroy(e));
  return out;
}

Duplex.from = function (body) {
  if (isNode(body) && isReadableNode(body) && isWritableNode(body)) return body;
  if (isReadableNode(body)) return joined(body, null);
  if (isNode(body)) return joined(null, body);
  if (isWebReadable(body)) return joined(Readable.fromWeb(body), null);
  if (isWebWritable(body)) return joined(null, Writable.fromWeb(body));
  if (typeof body === "function") return duplexOf(body);
  if (typeof body === "string" || body?.[asyncIteratorSymbol] || body?.[iteratorSymbol]) return joined(Readable.from(body), null);
  if (typeof body?.then === "function") {
    return joined(Readable.from((async function* () {
      const v = await body;
      if (v != null) yield v;
    })()), null);
  }
  if (body && (body.readable || body.writable) && typeof body === "object") {
    const r = body.readable && (isNode(body.readable) ? body.readable : Readable.fromWeb(body.readable));
    const w = body.writable && (isNode(body.writable) ? body.writable : Writable.fromWeb(body.writable));
    return joined(r || null, w || null);
  }
  throw invalidArg("body", "an instance of Stream, Iterable, AsyncIterable, ReadableStream, WritableStream, or { readable, writable } pair", body);
};

// --- Between these streams and the standard's

Readable.fromWeb = function (web, options = undefined) {
  if (!isWebReadable(web)) throw invalidArg("readableStream", "an instance of ReadableStream", web);
  const reader = web.getReader();
  let closed = false;
  const out = new Readable({
    highWaterMark: options?.highWaterMark, encoding: options?.encoding, objectMode: options?.objectMode, signal: options?.signal,
    read() {
      promiseThen(reader.read(), ({ done, value }) => {
        if (done) {
          closed = true;
          out.push(null);
        } else out.push(value);
      }, (e) => out.destroy(e));
    },
    destroy(e, callback) {
      if (closed) return callback(e);
      promiseThen(reader.cancel(e), () => callback(e), () => callback(e));
    },
  });
  return out;
};
Readable.toWeb = function (stream, options = undefined) {
  const { objectMode } = stream[readableState];
  const mark = stream.readableHighWaterMark;
  return new kit.ReadableStream({
    start(controller) {
      stream.pause();
      stream.on("data", (chunk) => {
        controller.enqueue(objectMode ? chunk : new Uint8Array(typeof chunk === "string" ? Buffer.from(chunk) : chunk));
        if (controller.desiredSize <= 0) stream.pause();
      });
      stream.pause();
      finished(stream, { writable: false }, (e) => {
        try {
          if (e) controller.error(e);
          else controller.close();
        } catch {
          // It was cancelled: there is nobody left to tell.
        }
      });
    },
    pull() {
      stream.resume();
    },
    cancel(reason) {
      destroyIt(stream, reason);
    },
  }, options?.strategy ?? (objectMode ? new kit.CountQueuingStrategy({ highWaterMark: mark }) : { highWaterMark: mark, size: (chunk) => chunk.byteLength }));
};
Writable.fromWeb = function (web, options = undefined) {
  if (!isWebWritable(web)) throw invalidArg("writableStream", "an instance of WritableStream", web);
  const writer = web.getWriter();
  let closed = false;
  const out = new Writable({
    highWaterMark: options?.highWaterMark, objectMode: options?.objectMode, decodeStrings: options?.decodeStrings, signal: options?.signal,
    write(chunk, encoding, callback) {
      promiseThen(writer.ready, () => promiseThen(writer.write(chunk), () => callback(), (e) => callback(e)), (e) => callback(e));
    },
    final(callback) {
      promiseThen(writer.close(), () => {
        closed = true;
        callback();
      }, (e) => callback(e));
    },
    destroy(e, callback) {
      if (closed) return callback(e);
      const done = () => callback(e);
      if (e != null) promiseThen(writer.abort(e), done, done);
      else promiseThen(writer.close(), done, done);
    },
  });
  return out;
};
Writable.toWeb = function (stream) {
  return new kit.WritableStream({
    write(chunk) {
      if (stream.writableNeedDrain || !stream.write(chunk)) return new PromiseCtor((resolve) => stream.once("drain", resolve));
      return undefined;
    },
    close() {
      return new PromiseCtor((resolve, reject) => {
        finished(stream, { readable: false }, (e) => (e ? reject(e) : resolve()));
        stream.end();
      });
    },
    abort(reason) {
      destroyIt(stream, reason);
    },
    start(controller) {
      stream.on("error", (e) => controller.error(e));
    },
  }, { highWaterMark: stream.writableHighWaterMark, size: (chunk) => (stream.writableObjectMode ? 1 : chunk?.byteLength ?? chunk?.length ?? 1) });
};
Duplex.fromWeb = (pair, options = undefined) => joined(Readable.fromWeb(pair.readable, options), Writable.fromWeb(pair.writable, options));
Duplex.toWeb = (duplex) => ({ readable: Readable.toWeb(duplex), writable: Writable.toWeb(duplex) });

// --- The module

function promisedPipeline(...streams) {
  return new PromiseCtor((resolve, reject) => {
    let options;
    const last = streams[streams.length - 1];
    if (last && typeof last === "object" && !isNode(last) && !isWebReadable(last) && !isWebWritable(last) && !(last instanceof kit.TransformStream) && !last[asyncIteratorSymbol] && !last[iteratorSymbol]) {
      options = streams.pop();
    }
    runPipeline(streams, (e, v) => (e ? reject(e) : resolve(v)), options);
  });
}
function promisedFinished(stream, options = undefined) {
  return new PromiseCtor((resolve, reject) => {
    const forget = finished(stream, options ?? {}, (e) => {
      if (options?.cleanup) forget();
      if (e) reject(e);
      else resolve();
    });
  });
}
for (const [f, promised] of [[pipeline, promisedPipeline], [finished, promisedFinished]]) {
  defineProperty(f, Symbol.for("nodejs.util.promisify.custom"), { __proto__: null, value: promised, configurable: true });
}

hide(readable, "compose", function (stream, options = undefined) {
  return compose(this, stream);
});

const isErroredStream = (s) => !!(s?.errored ?? s?.[destroyState]?.errored);

return Object.assign(Stream, {
  Stream, Readable, Writable, Duplex, Transform, PassThrough, pipeline, finished, addAbortSignal, compose,
  destroy: (stream, e) => {
    destroyIt(stream, e ?? undefined);
    return stream;
  },
  isDestroyed: (s) => (isNode(s) ? !!s.destroyed : null),
  isDisturbed: (s) => !!(s?.[readableState]?.dataEmitted || s?.readableDidRead || s?.readableAborted),
  isErrored: isErroredStream,
  isReadable: (s) => (isNode(s) ? (s.readable ?? null) : isWebReadable(s) ? true : null),
  isWritable: (s) => (isNode(s) ? (s.writable ?? null) : null),
  getDefaultHighWaterMark: (objectMode) => defaultMark(!!objectMode),
  setDefaultHighWaterMark(objectMode, value) {
    kit.needWhole(value, "value", 0);
    if (objectMode) defaultObjects = value;
    else defaultBytes = value;
  },
  _isArrayBufferView: (v) => isView(v),
  _isUint8Array: (v) => typedTag(v) === "Uint8Array",
  _uint8ArrayToBuffer: toBytes,
  promises: { finished: promisedFinished, pipeline: promisedPipeline },
});
