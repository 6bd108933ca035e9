// The byte controller, the BYOB reader and request, and the tee of byte streams (Streams standard, sections 4.5 to 4.8).

const elementSizes = {
  __proto__: null, Int8Array: 1, Uint8Array: 1, Uint8ClampedArray: 1, Int16Array: 2, Uint16Array: 2, Float16Array: 2, Int32Array: 4,
  Uint32Array: 4, Float32Array: 4, BigInt64Array: 8, BigUint64Array: 8, Float64Array: 8, DataView: 1,
};

// viewParts reads a view: {kind, buffer, offset, length} in bytes.
function viewParts(v) {
  const kind = typedTag(v);
  if (kind !== undefined) return { __proto__: null, kind, buffer: typedBuffer(v), offset: typedByteOffset(v), length: typedByteLength(v) };
  return { __proto__: null, kind: "DataView", buffer: viewBuffer(v), offset: viewByteOffset(v), length: viewByteLength(v) };
}

function needView(v, what) {
  if (!isView(v)) throw new TypeErrorCtor(`${what} needs a view of an ArrayBuffer, not ${typeName(v)}`);
  const parts = viewParts(v);
  if (!isBuffer(parts.buffer)) throw new TypeErrorCtor(`${what}: the memory of the view cannot be shared`);
  return parts;
}

function makeView(kind, buffer, offset, length) {
  return new viewCtors[kind](buffer, offset, length / elementSizes[kind]);
}

function copyBytes(to, toOffset, from, fromOffset, n) {
  typedSet(new U8(to, toOffset, n), new U8(from, fromOffset, n));
}

function newByteController(stream, highWaterMark) {
  return {
    __proto__: null, bytes: true, object: null, stream, queue: newQueue(), total: 0, started: false, closing: false, pulling: false,
    pullAgain: false, size: null, highWaterMark, pull: null, cancel: null, chunkSize: 0, byobRequest: null, pullIntos: newQueue(),
  };
}

function clearByteController(c) {
  c.pull = null;
  c.cancel = null;
}

function newPullInto(kind, buffer, offset, length, minimum, reader) {
  return {
    __proto__: null, kind, buffer, bufferLength: bufferByteLengthOf(buffer), offset, length, filled: 0, minimum,
    elementSize: elementSizes[kind], reader, // "default", "byob" or "none"
  };
}

function invalidateBYOB(c) {
  if (c.byobRequest === null) return;
  c.byobRequest.controller = null;
  c.byobRequest.view = null;
  c.byobRequest = null;
}

function byteRequest(c) {
  if (c.byobRequest === null && c.pullIntos.length > 0) {
    const first = c.pullIntos.first.value;
    c.byobRequest = {
      __proto__: null, object: null, controller: c,
      view: new U8(first.buffer, first.offset + first.filled, first.length - first.filled),
    };
  }
  return c.byobRequest;
}

function byteEnqueueChunk(c, buffer, offset, length) {
  queueAdd(c.queue, { __proto__: null, buffer, offset, length });
  c.total += length;
}

function byteEnqueueClone(c, buffer, offset, length) {
  let copy;
  try {
    copy = new BufferCtor(length);
    copyBytes(copy, 0, buffer, offset, length);
  } catch (e) {
    controllerError(c, e);
    throw e;
  }
  byteEnqueueChunk(c, copy, 0, length);
}

// byteEnqueueDetached gives the bytes of a pull-into whose reader has gone back to the queue.
function byteEnqueueDetached(c, into) {
  if (into.filled > 0) byteEnqueueClone(c, into.buffer, into.offset, into.filled);
  queueShift(c.pullIntos);
}

function byteFill(c, into) {
  const most = c.total < into.length - into.filled ? c.total : into.length - into.filled;
  const mostFilled = into.filled + most;
  let left = most;
  let ready = false;
  const aligned = mostFilled - (mostFilled % into.elementSize);
  if (aligned >= into.minimum) {
    left = aligned - into.filled;
    ready = true;
  }
  while (left > 0) {
    const head = c.queue.first.value;
    const n = left < head.length ? left : head.length;
    copyBytes(into.buffer, into.offset + into.filled, head.buffer, head.offset, n);
    if (head.length === n) {
      queueShift(c.queue);
    } else {
      head.offset += n;
      head.length -= n;
    }
    c.total -= n;
    into.filled += n;
    left -= n;
  }
  return ready;
}

function byteView(into) {
  return makeView(into.kind, transferBuffer(into.buffer), into.offset, into.filled);
}

function byteCommit(s, into) {
  const done = s.state === isClosed;
  const view = byteView(into);
  const request = queueShift(s.reader.requests);
  if (done) request.close(view);
  else request.chunk(view);
}

// byteServeIntos serves pull-intos from the queue, and returns those that are complete.
function byteServeIntos(c) {
  const done = newQueue();
  while (c.pullIntos.length > 0) {
    if (c.total === 0) break;
    const into = c.pullIntos.first.value;
    if (!byteFill(c, into)) break;
    invalidateBYOB(c);
    queueShift(c.pullIntos);
    queueAdd(done, into);
  }
  return done;
}

function byteCommitAll(s, intos) {
  while (intos.length > 0) byteCommit(s, queueShift(intos));
}

// byteServeReads serves the reads of a default reader from the queue.
function byteServeReads(c) {
  const reader = c.stream.reader;
  while (reader.requests.length > 0) {
    if (c.total === 0) return;
    byteServeRead(c, queueShift(reader.requests));
  }
}

function byteServeRead(c, request) {
  const head = queueShift(c.queue);
  c.total -= head.length;
  byteDrained(c);
  request.chunk(new U8(head.buffer, head.offset, head.length));
}

function byteDrained(c) {
  if (c.total === 0 && c.closing) {
    clearByteController(c);
    readableClose(c.stream);
  } else {
    pullIfNeeded(c);
  }
}

function byteClose(c) {
  if (!controllerOpen(c)) return;
  if (c.total > 0) {
    c.closing = true;
    return;
  }
  if (c.pullIntos.length > 0) {
    const first = c.pullIntos.first.value;
    if (first.filled % first.elementSize !== 0) {
      const e = new TypeErrorCtor("The stream ended in the middle of an element of the view that it was to fill");
      controllerError(c, e);
      throw e;
    }
  }
  clearByteController(c);
  readableClose(c.stream);
}

function byteEnqueue(c, parts) {
  if (!controllerOpen(c)) return;
  const s = c.stream;
  const { offset, length } = parts;
  if (bufferDetached(parts.buffer)) throw new TypeErrorCtor("The memory of the chunk has been transferred away");
  const buffer = transferBuffer(parts.buffer);
  if (c.pullIntos.length > 0) {
    const first = c.pullIntos.first.value;
    if (bufferDetached(first.buffer)) throw new TypeErrorCtor("The memory of the view that waits has been transferred away");
    invalidateBYOB(c);
    first.buffer = transferBuffer(first.buffer);
    if (first.reader === "none") byteEnqueueDetached(c, first);
  }
  const reader = s.reader;
  if (reader !== null && !reader.byob) {
    byteServeReads(c);
    if (reader.requests.length === 0) {
      byteEnqueueChunk(c, buffer, offset, length);
    } else {
      if (c.pullIntos.length > 0) queueShift(c.pullIntos);
      queueShift(reader.requests).chunk(new U8(buffer, offset, length));
    }
  } else if (reader !== null) {
    byteEnqueueChunk(c, buffer, offset, length);
    byteCommitAll(s, byteServeIntos(c));
  } else {
    byteEnqueueChunk(c, buffer, offset, length);
  }
  pullIfNeeded(c);
}

// byteChunk enqueues a Uint8Array that is the prelude's own.
function byteChunk(c, bytes) {
  byteEnqueue(c, { __proto__: null, buffer: typedBuffer(bytes), offset: typedByteOffset(bytes), length: typedByteLength(bytes) });
}

// bytePull is [[PullSteps]].
function bytePull(c, request) {
  if (c.total > 0) {
    byteServeRead(c, request);
    return;
  }
  if (c.chunkSize > 0) {
    let buffer;
    try {
      buffer = new BufferCtor(c.chunkSize);
    } catch (e) {
      request.error(e);
      return;
    }
    queueAdd(c.pullIntos, newPullInto("Uint8Array", buffer, 0, c.chunkSize, 1, "default"));
  }
  queueAdd(c.stream.reader.requests, request);
  pullIfNeeded(c);
}

function releaseByteController(c) {
  if (c.pullIntos.length === 0) return;
  const first = c.pullIntos.first.value;
  first.reader = "none";
  c.pullIntos = newQueue();
  queueAdd(c.pullIntos, first);
}

// bytePullInto is a read of a BYOB reader.
function bytePullInto(c, parts, minimum, request) {
  const s = c.stream;
  const elementSize = elementSizes[parts.kind];
  const { kind, offset, length } = parts;
  let buffer;
  try {
    buffer = transferBuffer(parts.buffer);
  } catch (e) {
    request.error(e);
    return;
  }
  const into = newPullInto(kind, buffer, offset, length, minimum * elementSize, "byob");
  if (c.pullIntos.length > 0) {
    queueAdd(c.pullIntos, into);
    queueAdd(s.reader.requests, request);
    return;
  }
  if (s.state === isClosed) {
    request.close(makeView(kind, into.buffer, into.offset, 0));
    return;
  }
  if (c.total > 0) {
    if (byteFill(c, into)) {
      const view = byteView(into);
      byteDrained(c);
      request.chunk(view);
      return;
    }
    if (c.closing) {
      const e = new TypeErrorCtor("The stream ended in the middle of an element of the view that it was to fill");
      controllerError(c, e);
      request.error(e);
      return;
    }
  }
  queueAdd(c.pullIntos, into);
  queueAdd(s.reader.requests, request);
  pullIfNeeded(c);
}

function byteRespond(c, n) {
  const first = c.pullIntos.first.value;
  if (c.stream.state === isClosed) {
    if (n !== 0) throw new TypeErrorCtor("The stream is closed: only 0 bytes can be answered");
  } else {
    if (n === 0) throw new TypeErrorCtor("0 bytes can only be answered once the stream is closed");
    if (first.filled + n > first.length) throw new RangeErrorCtor(`${n} bytes do not fit the view of the BYOB request`);
  }
  first.buffer = transferBuffer(first.buffer);
  byteResponded(c, n);
}

function byteRespondNewView(c, parts) {
  const first = c.pullIntos.first.value;
  if (c.stream.state === isClosed) {
    if (parts.length !== 0) throw new TypeErrorCtor("The stream is closed: the view must be empty");
  } else if (parts.length === 0) {
    throw new TypeErrorCtor("An empty view can only be answered once the stream is closed");
  }
  if (first.offset + first.filled !== parts.offset) throw new RangeErrorCtor("The view does not begin where the view of the BYOB request does");
  if (first.bufferLength !== bufferByteLengthOf(parts.buffer)) throw new RangeErrorCtor("The view's memory is not as large as that of the BYOB request");
  if (first.filled + parts.length > first.length) throw new RangeErrorCtor("The view is larger than that of the BYOB request");
  const n = parts.length;
  first.buffer = transferBuffer(parts.buffer);
  byteResponded(c, n);
}

function byteResponded(c, n) {
  const first = c.pullIntos.first.value;
  const s = c.stream;
  invalidateBYOB(c);
  if (s.state === isClosed) {
    if (first.reader === "none") queueShift(c.pullIntos);
    if (s.reader !== null && s.reader.byob) {
      const done = newQueue();
      while (done.length < s.reader.requests.length) queueAdd(done, queueShift(c.pullIntos));
      byteCommitAll(s, done);
    }
    return;
  }
  first.filled += n;
  if (first.reader === "none") {
    byteEnqueueDetached(c, first);
    byteCommitAll(s, byteServeIntos(c));
    pullIfNeeded(c);
    return;
  }
  if (first.filled < first.minimum) {
    pullIfNeeded(c);
    return;
  }
  queueShift(c.pullIntos);
  const rest = first.filled % first.elementSize;
  if (rest > 0) byteEnqueueClone(c, first.buffer, first.offset + first.filled - rest, rest);
  first.filled -= rest;
  const done = byteServeIntos(c);
  byteCommit(s, first);
  byteCommitAll(s, done);
  pullIfNeeded(c);
}

class ReadableByteStreamController {
  #c;
  constructor(key = undefined, c = undefined) {
    if (key !== internal) throw illegalConstructor();
    this.#c = c;
  }
  get byobRequest() {
    const r = byteRequest(this.#c);
    if (r === null) return null;
    if (r.object === null) r.object = new ReadableStreamBYOBRequest(internal, r);
    return r.object;
  }
  get desiredSize() {
    return desiredSize(this.#c);
  }
  close() {
    const c = this.#c;
    if (c.closing) throw new TypeErrorCtor("The ReadableStream has been asked to close already");
    if (c.stream.state !== isReadable) throw new TypeErrorCtor("The ReadableStream is not readable any more, so it cannot be closed");
    byteClose(c);
  }
  enqueue(chunk) {
    const c = this.#c;
    const parts = needView(chunk, "ReadableByteStreamController.enqueue");
    if (parts.length === 0) throw new TypeErrorCtor("ReadableByteStreamController.enqueue: the chunk is empty");
    if (bufferByteLengthOf(parts.buffer) === 0) throw new TypeErrorCtor("ReadableByteStreamController.enqueue: the memory of the chunk is empty");
    if (!controllerOpen(c)) throw new TypeErrorCtor("The ReadableStream is closed, or is about to: it takes no more chunks");
    byteEnqueue(c, parts);
  }
  error(e = undefined) {
    controllerError(this.#c, e);
  }
}
webClass(ReadableByteStreamController, "ReadableByteStreamController");

class ReadableStreamBYOBRequest {
  #r;
  constructor(key = undefined, r = undefined) {
    if (key !== internal) throw illegalConstructor();
    this.#r = r;
  }
  get view() {
    return this.#r.view;
  }
  respond(bytesWritten) {
    const r = this.#r;
    if (arguments.length === 0) throw new TypeErrorCtor("ReadableStreamBYOBRequest.respond needs a number of bytes");
    const n = enforceRange(bytesWritten, "bytesWritten");
    if (r.controller === null) throw new TypeErrorCtor("This BYOB request has been answered already");
    if (bufferDetached(typedBuffer(r.view))) throw new TypeErrorCtor("The memory of the BYOB request has been transferred away");
    byteRespond(r.controller, n);
  }
  respondWithNewView(view) {
    const r = this.#r;
    const parts = needView(view, "ReadableStreamBYOBRequest.respondWithNewView");
    if (r.controller === null) throw new TypeErrorCtor("This BYOB request has been answered already");
    if (bufferDetached(parts.buffer)) throw new TypeErrorCtor("The memory of the view has been transferred away");
    byteRespondNewView(r.controller, parts);
  }
}
webClass(ReadableStreamBYOBRequest, "ReadableStreamBYOBRequest");

function acquireBYOBReader(s) {
  if (!s.controller.bytes) throw new TypeErrorCtor("This ReadableStream is no byte stream: it has no BYOB reader");
  return attachReader(newReader(true), s);
}

function byobRead(r, parts, minimum, request) {
  const s = r.stream;
  s.disturbed = true;
  if (s.state === isErrored) request.error(s.error);
  else bytePullInto(s.controller, parts, minimum, request);
}

class ReadableStreamBYOBReader {
  #r;
  constructor(stream, r = undefined) {
    if (stream === internal) {
      this.#r = r;
      return;
    }
    const s = readableOf(stream);
    if (s.reader !== null) throw new TypeErrorCtor(lockedText);
    r = acquireBYOBReader(openReadable(s));
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
  read(view, options = undefined) {
    try {
      const r = this.#r;
      const parts = needView(view, "ReadableStreamBYOBReader.read");
      let min = dictionary(options, "ReadableStreamBYOBReader.read: the options").min;
      min = min === undefined ? 1 : enforceRange(min, "min");
      if (parts.length === 0) throw new TypeErrorCtor("ReadableStreamBYOBReader.read: the view is empty");
      if (bufferByteLengthOf(parts.buffer) === 0) throw new TypeErrorCtor("ReadableStreamBYOBReader.read: the memory of the view is empty");
      if (bufferDetached(parts.buffer)) throw new TypeErrorCtor("ReadableStreamBYOBReader.read: the memory of the view has been transferred away");
      if (min === 0) throw new TypeErrorCtor("ReadableStreamBYOBReader.read: min cannot be 0");
      if (min > parts.length / elementSizes[parts.kind]) throw new RangeErrorCtor("ReadableStreamBYOBReader.read: min is more than the view has room for");
      if (r.stream === null) throw new TypeErrorCtor(releasedText);
      const p = pending();
      byobRead(r, parts, min, new ReadPromise(p));
      return p;
    } catch (e) {
      return refused(e);
    }
  }
  // readAtLeast is Cloudflare's older name for min.
  readAtLeast(minBytes, view) {
    return this.read(view, { min: minBytes });
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
webClass(ReadableStreamBYOBReader, "ReadableStreamBYOBReader");

// byteTee is the tee of a byte stream, whose branches are byte streams: it reads with whichever reader the branch that asks
// has.
function byteTee(s) {
  let reader = acquireReader(s);
  let reading = false;
  let again1 = false;
  let again2 = false;
  let canceled1 = false;
  let canceled2 = false;
  let reason1, reason2;
  const branch1 = newReadable();
  const branch2 = newReadable();
  const cancel = pending();
  const watch = (r) => {
    react(readerClosed(r), undefined, (e) => {
      if (r !== reader) return;
      controllerError(branch1.controller, e);
      controllerError(branch2.controller, e);
      if (!canceled1 || !canceled2) fulfill(cancel, undefined);
    });
  };
  const copyOf = (view) => {
    const n = typedByteLength(view);
    const copy = new U8(n);
    typedSet(copy, view);
    return copy;
  };
  const failed = (e) => {
    controllerError(branch1.controller, e);
    controllerError(branch2.controller, e);
    follow(cancel, readableCancel(s, e));
  };
  const next = () => {
    reading = false;
    if (again1) pull1();
    else if (again2) pull2();
  };
  const pullDefault = () => {
    if (reader.byob) {
      readerRelease(reader);
      reader = acquireReader(s);
      watch(reader);
    }
    readerRead(reader, {
      __proto__: null,
      chunk(view) {
        microtask(() => {
          again1 = again2 = false;
          let other = view;
          if (!canceled1 && !canceled2) {
            try {
              other = copyOf(view);
            } catch (e) {
              failed(e);
              return;
            }
          }
          if (!canceled1) byteChunk(branch1.controller, view);
          if (!canceled2) byteChunk(branch2.controller, other);
          next();
        });
      },
      close() {
        reading = false;
        if (!canceled1) byteClose(branch1.controller);
        if (!canceled2) byteClose(branch2.controller);
        if (branch1.controller.pullIntos.length > 0) byteRespond(branch1.controller, 0);
        if (branch2.controller.pullIntos.length > 0) byteRespond(branch2.controller, 0);
        if (!canceled1 || !canceled2) fulfill(cancel, undefined);
      },
      error() {
        reading = false;
      },
    });
  };
  const pullBYOB = (view, second) => {
    if (!reader.byob) {
      readerRelease(reader);
      reader = acquireBYOBReader(s);
      watch(reader);
    }
    const mine = second ? branch2 : branch1;
    const others = second ? branch1 : branch2;
    byobRead(reader, viewParts(view), 1, {
      __proto__: null,
      chunk(got) {
        microtask(() => {
          again1 = again2 = false;
          const canceledMine = second ? canceled2 : canceled1;
          const canceledOthers = second ? canceled1 : canceled2;
          if (!canceledOthers) {
            let copy;
            try {
              copy = copyOf(got);
            } catch (e) {
              failed(e);
              return;
            }
            if (!canceledMine) byteRespondNewView(mine.controller, viewParts(got));
            byteChunk(others.controller, copy);
          } else if (!canceledMine) {
            byteRespondNewView(mine.controller, viewParts(got));
          }
          next();
        });
      },
      close(got) {
        reading = false;
        const canceledMine = second ? canceled2 : canceled1;
        const canceledOthers = second ? canceled1 : canceled2;
        if (!canceledMine) byteClose(mine.controller);
        if (!canceledOthers) byteClose(others.controller);
        if (got !== undefined) {
          if (!canceledMine) byteRespondNewView(mine.controller, viewParts(got));
          if (!canceledOthers && others.controller.pullIntos.length > 0) byteRespond(others.controller, 0);
        }
        if (!canceledMine || !canceledOthers) fulfill(cancel, undefined);
      },
      error() {
        reading = false;
      },
    });
  };
  const pull1 = () => {
    if (reading) {
      again1 = true;
      return resolved(undefined);
    }
    reading = true;
    const request = byteRequest(branch1.controller);
    if (request === null) pullDefault();
    else pullBYOB(request.view, false);
    return resolved(undefined);
  };
  const pull2 = () => {
    if (reading) {
      again2 = true;
      return resolved(undefined);
    }
    reading = true;
    const request = byteRequest(branch2.controller);
    if (request === null) pullDefault();
    else pullBYOB(request.view, true);
    return resolved(undefined);
  };
  const both = () => follow(cancel, readableCancel(s, [reason1, reason2]));
  byteStreamWith(branch1, pull1, (reason) => {
    canceled1 = true;
    reason1 = reason;
    if (canceled2) both();
    return cancel;
  });
  byteStreamWith(branch2, pull2, (reason) => {
    canceled2 = true;
    reason2 = reason;
    if (canceled1) both();
    return cancel;
  });
  watch(reader);
  return [branch1, branch2];
}
