// What crosses to another program, and to storage, and is neither plain data nor given away: the objects of the Web APIs that
// have parts (Blob, File, Headers, Request, Response, AbortSignal), and streams, which move.

// A door is a function that is given away as a part of such an object: the receiver's object has the only stub of it, so it is
// not one of those that end with a call.
let isDoor;
let door;
class Door extends Returned {
  #door = true;
  static {
    isDoor = (f) => #door in f;
    door = (f) => new Door(f);
  }
}

function cloneRefusal(text) {
  return new DOMException(text, "DataCloneError");
}

// crossShape tells the host how an object travels that structured clone does not take: undefined not at all; the handle of a
// stub; the parts of an object of the Web APIs; or a number, one of the host's Shapes. calls: in a call; otherwise it is
// stored or cloned, and it must be all there.
function crossShape(v, calls) {
  if (typeof v === "function") {
    if (!calls) return undefined;
    return isNode(v) ? nodeHandle(v) : isDoor(v) ? 5 : 2;
  }
  if (typeof v !== "object" || v === null) return undefined;
  if (calls) {
    if (host.isStub(v)) return v;
    if (isPrototypeOf(RpcTarget.prototype, v)) return 1;
  }
  if (isBlob(v)) {
    const bytes = blobBytes(v);
    // A slice shares the buffer of the whole, which stays here.
    const own = typedByteLength(bytes) === bufferByteLengthOf(typedBuffer(bytes)) ? bytes : host.bodyBytes(bytes);
    return isFile(v) ? ["File", blobTypeOf(v), own, fileNameOf(v), fileModified(v)] : ["Blob", blobTypeOf(v), own];
  }
  if (isHeaders(v)) return ["Headers", headersFrozen(v), headersList(v)];
  if (isStream(v)) {
    if (!calls) throw cloneRefusal("ReadableStream can only be serialized for RPC.");
    return 3;
  }
  if (isWritableStream(v)) {
    if (!calls) throw cloneRefusal("WritableStream can only be serialized for RPC.");
    return 4;
  }
  // One with a body has a stream among its parts, which makes it one for calls only.
  if (isResponse(v)) return responseParts(v);
  if (isRequest(v)) return requestParts(v);
  if (isAbortSignal(v)) {
    if (!host.signalsCross()) throw cloneRefusal("AbortSignal serialization is not enabled.");
    if (!calls) throw cloneRefusal("AbortSignal can only be serialized for RPC.");
    return ["AbortSignal", signalReason(v), signalAborted(v) ? undefined : signalDoor(v)];
  }
  // An instance of a program's class is stored by its properties; one of ours would lose what it is.
  if (!calls && isWebObject(v)) throw cloneRefusal(`Could not serialize object of type "${typeName(v)}". This type does not support serialization.`);
  return undefined;
}
const signalReason = uncurry(getOwnPropertyDescriptor(AbortSignal.prototype, "reason").get);
const signalAborted = uncurry(getOwnPropertyDescriptor(AbortSignal.prototype, "aborted").get);

// isWebObject tells instances of the classes of the Web APIs, and of classes that extend them.
function isWebObject(v) {
  for (let p = getPrototypeOf(v); p !== null; p = getPrototypeOf(p)) if (weakSetHas(webPrototypes, p)) return true;
  return false;
}

function malformed(what) {
  return cloneRefusal(`Deserialization failed: ${what} is malformed.`);
}

// fromParts makes an object of its parts. They come from a program, or out of storage: nothing about them is certain.
function fromParts(parts) {
  if (!isArray(parts)) throw malformed("an object");
  const kind = parts[0];
  switch (kind) {
    case "Blob":
    case "File": {
      const bytes = bytesOf(parts[2]);
      if (bytes === null) throw malformed(kind);
      const content = { __proto__: null, bytes, type: blobType(textPart(parts[1], kind)) };
      if (kind === "Blob") return new Blob(internal, content);
      if (typeof parts[4] !== "number") throw malformed(kind);
      content.lastModified = parts[4];
      return new File(internal, textPart(parts[3], kind), content);
    }
    case "Headers": {
      const h = headersFrom(parts[2]);
      return parts[1] === true ? freezeHeaders(h) : h;
    }
    case "Request":
      return requestFrom(parts);
    case "Response":
      return responseFrom(parts);
    case "AbortSignal":
      return signalFrom(parts[1], parts[2]);
  }
  throw malformed("an object");
}

function textPart(v, what) {
  if (typeof v !== "string") throw malformed(what);
  return v;
}

// headersFrom makes Headers of a flat list of names and values.
function headersFrom(list) {
  if (!isArray(list) || list.length % 2 !== 0) throw malformed("a list of headers");
  const h = new Headers();
  for (let i = 0; i < list.length; i += 2) {
    const name = headerName(textPart(list[i], "a header"));
    headersAppend(h, name, headerValue(name, textPart(list[i + 1], "a header")));
  }
  return h;
}

// bodyPart is a body that came along: a stream, or null.
function bodyPart(v) {
  if (v === null) return null;
  if (!isStream(v)) throw malformed("a body");
  return v;
}

// --- streams ---

// maxAtOnce is how long a body is that goes along in one piece. A longer one stays in this program's memory until it is read.
const maxAtOnce = 64 << 10;

// takeReadable takes what a stream will give out of it, for the host. One that nobody has looked into goes on as it is; others
// are pumped.
function takeReadable(stream) {
  const s = readableOf(stream);
  if (s.reader !== null) throw new TypeErrorCtor("The ReadableStream has been locked to a reader.");
  if (s.lazy === null) {
    host.takeBody(sendStream(stream));
    return;
  }
  let body = takeStream(stream);
  if (typeof body === "string" && body.length > maxAtOnce) body = host.utf8Encode(body);
  const bytes = bytesOf(body);
  host.takeBody(bytes !== null && bytes.length > maxAtOnce ? sendStream(inPieces(bytes)) : body);
}

// inPieces makes a stream of bytes that nobody changes.
function inPieces(bytes) {
  let at = 0;
  const s = newReadable();
  const c = newByteController(s, 0);
  s.controller = c;
  c.started = true;
  c.pull = () => {
    const size = bytes.length - at < maxAtOnce ? bytes.length - at : maxAtOnce;
    byteChunk(c, host.bodyBytes(new U8(typedBuffer(bytes), typedByteOffset(bytes) + at, size)));
    at += size;
    if (at === bytes.length) byteClose(c);
    return resolved(undefined);
  };
  return readableObject(s);
}

// takeWritable locks a stream and makes what is given away in its place: a function with methods, because those can be called.
function takeWritable(stream) {
  const w = acquireWriter(writableOf(stream));
  let open = true;
  const sink = () => undefined;
  hide(sink, "write", (chunk) => writerWrite(w, chunk));
  hide(sink, "close", () => {
    open = false;
    return closeAsked(w.stream) ? undefined : writableClose(w.stream);
  });
  hide(sink, "abort", (reason) => {
    open = false;
    return writableAbort(w.stream, reason);
  });
  hide(sink, disposeSymbol, () => {
    if (open) handled(writableAbort(w.stream, new ErrorCtor("WritableStream received over RPC was disconnected because the remote execution context has ended.")));
  });
  return sink;
}

// maxPiece is how much of a chunk goes in one message.
const maxPiece = 1 << 20;

// writableOver makes a stream that writes to what takeWritable gave away. One write is under way at a time, and it is over when
// the other side's is.
function writableOver(stub) {
  const ended = (p) => {
    react(p, () => host.rpcDispose(stub), () => host.rpcDispose(stub));
    return p;
  };
  const writePiece = (bytes, from) => {
    const size = bytes.length;
    const to = from + maxPiece < size ? from + maxPiece : size;
    // The bytes are a copy already, and one piece alone has no more in its buffer.
    const piece = size <= maxPiece ? bytes : host.bodyBytes(new U8(typedBuffer(bytes), from, to - from));
    const p = forward(stub, ["write"], [piece]);
    return to === size ? p : promiseThen(p, () => writePiece(bytes, to));
  };
  return writableObject(
    writableWith(
      (chunk) => {
        return attempt(() => {
          const bytes = chunkBytes(chunk);
          return bytes.length === 0 ? resolved(undefined) : writePiece(bytes, 0);
        });
      },
      () => ended(attempt(() => forward(stub, ["close"], []))),
      (reason) =>
        ended(
          attempt(() => {
            try {
              return forward(stub, ["abort"], [reason]);
            } catch {
              return forward(stub, ["abort"], []); // the reason does not cross
            }
          }),
        ),
      1,
      one,
    ),
  );
}

// --- signals ---

// signalDoor is what the receiver of a signal calls with a function: that is called when the signal aborts.
function signalDoor(signal) {
  return door((tell) => {
    const kept = newStub(host.rpcDup(stubOf(tell)));
    const send = () => {
      const reason = signalReason(signal);
      const p = attempt(() => {
        try {
          return forward(kept, [], [reason]);
        } catch {
          return forward(kept, [], []);
        }
      });
      const end = () => host.rpcDispose(stubOf(kept));
      react(p, end, end);
    };
    if (signalAborted(signal)) send();
    else onAbort(signal, send);
  });
}

// signalFrom makes a signal that aborts when another program's does. Where that ends first, it never will.
function signalFrom(reason, through) {
  if (!host.signalsCross()) throw cloneRefusal("AbortSignal serialization is not enabled.");
  const signal = newAbortSignal();
  if (through === undefined) {
    abortSignal(signal, reason);
    return signal;
  }
  const end = () => host.rpcDispose(stubOf(through));
  react(
    attempt(() => forward(through, [], [(reason) => abortSignal(signal, reason)])),
    end,
    end,
  );
  return signal;
}
