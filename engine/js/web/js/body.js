// Bodies of requests and responses.
//
// A body is one of: null; a string; a Uint8Array that nobody changes; the handle of a message, whose bytes or stream are in
// Go; or a ReadableStream. All but the last are immutable, so a clone shares them (a message's stream can be read once:
// it becomes a ReadableStream first). Nothing is made a stream before a program asks for one.

const usedText = "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.";

const textType = "text/plain;charset=UTF-8";
const formType = "application/x-www-form-urlencoded;charset=UTF-8";
const jsonType = "application/json";

// bodyFrom takes what a user gives as a body, and puts the Content-Type that comes with it, or null, into givenType.
let givenType = null;

function bodyFrom(v) {
  givenType = null;
  if (v === null || v === undefined) return null;
  if (typeof v === "string") {
    givenType = textType;
    return v;
  }
  if (!isObject(v)) {
    givenType = textType;
    return `${v}`;
  }
  if (isStream(v)) {
    const s = readableOf(v);
    if (s.disturbed) throw new TypeErrorCtor("This ReadableStream is disturbed (has already been read from), and cannot be used as a body.");
    if (s.reader !== null) throw new TypeErrorCtor(lockedText);
    return v;
  }
  const bytes = bytesOf(v);
  if (bytes !== null) return host.bodyBytes(bytes);
  const pairs = paramsList(v);
  if (pairs !== null) {
    givenType = formType;
    return host.queryFormat(pairs);
  }
  if (isBlob(v)) {
    const type = blobTypeOf(v);
    if (type !== "") givenType = type;
    return blobBytes(v);
  }
  if (isFormData(v)) {
    const form = formBody(v);
    givenType = form.type;
    return form.bytes;
  }
  const text = boxedString(v);
  if (text !== null) {
    givenType = textType;
    return text;
  }
  if (typeof v[asyncIteratorSymbol] === "function") return readableObject(readableFrom(v));
  givenType = textType;
  return `${v}`;
}

// streamOf makes the stream of a body. Its controller is made when somebody reads it.
function streamOf(body) {
  if (isStream(body)) return body;
  const s = newReadable();
  s.lazy = openBody;
  s.body = body;
  // The record does not know its object: without that cycle, a stream that nobody looks into goes at once when it is dropped.
  return new ReadableStream(internal, s);
}

// openBody gives the stream of a body its controller, which is a byte controller.
function openBody(s) {
  const body = s.body;
  s.body = null;
  const c = newByteController(s, 0);
  s.controller = c;
  c.started = true;
  const finish = () => {
    byteClose(c);
    if (c.pullIntos.length > 0) byteRespond(c, 0);
  };
  const inbound = typeof body === "object" ? host.streamOpen(body) : null;
  if (inbound === null) {
    const bytes = bodyBytes(body);
    const { signal } = s;
    if (typedByteLength(bytes) === 0) {
      finish();
      return;
    }
    c.pull = () => {
      if (signal !== null && signal.aborted) return rejected(signal.reason);
      byteChunk(c, bytes);
      finish();
      return resolved(undefined);
    };
    return;
  }
  c.pull = () =>
    promiseThen(host.streamRead(inbound), (bytes) => {
      if (!controllerOpen(c)) return;
      if (bytes === undefined) finish();
      else byteChunk(c, bytes);
    });
  c.cancel = () => {
    host.streamCancel(inbound);
    return resolved(undefined);
  };
}

// takenReader is the reader of every stream whose body was taken out of it.
let takenReader = null; // made when it is needed

// takeStream takes the body out of a stream: the stream is locked and disturbed from now on. A stream that a program made,
// or has begun to look into, is its own body.
function takeStream(stream) {
  const s = readableOf(stream);
  if (s.disturbed || s.reader !== null) throw new TypeErrorCtor(usedText);
  if (s.lazy === null) return stream;
  const { body, signal } = s;
  s.body = null;
  spend(s);
  if (signal !== null && signal.aborted) throw signal.reason;
  return body;
}

// moveStream gives what a stream has to a new one: the old one is locked and disturbed from now on. Whoever produces it sees no
// difference.
function moveStream(stream) {
  const s = readableOf(stream);
  const to = newReadable();
  to.state = s.state;
  to.error = s.error;
  to.controller = s.controller;
  to.controller.stream = to;
  spend(s);
  return readableObject(to);
}

function spend(s) {
  s.lazy = null;
  s.disturbed = true;
  s.state = isClosed;
  if (takenReader === null) takenReader = newReader(false);
  s.reader = takenReader;
}

// usedStream is the stream of a body that was used before anybody asked for its stream.
function usedStream() {
  const s = newReadable();
  spend(s);
  return readableObject(s);
}

function streamDisturbed(stream) {
  return readableOf(stream).disturbed;
}

// streamUsed says whether a stream cannot be a body any more.
function streamUsed(stream) {
  const s = readableOf(stream);
  return s.disturbed || s.reader !== null;
}

// cloneBody gives two bodies for one that nobody has used. What is all there is shared; a stream is teed.
function cloneBody(body) {
  if (isStream(body)) {
    const s = readableOf(body);
    if (s.lazy === null || host.msgStreamed(s.body)) return teeBody(body);
    return [body, streamOf(s.body)];
  }
  return host.msgStreamed(body) ? teeBody(streamOf(body)) : [body, body];
}

function teeBody(stream) {
  const branches = readableTee(openReadable(readableOf(stream)), true);
  return [readableObject(branches[0]), readableObject(branches[1])];
}

function bodyBytes(body) {
  return body === null ? new U8(0) : host.bodyBytes(body);
}

// Reading a body to its end. Each takes the body that a message has given away.

// whole is a promise of what f makes of the body's bytes.
function whole(body, f) {
  if (body === null) return resolved(f(new U8(0)));
  if (isStream(body)) return promiseThen(readAll(body), f);
  const bytes = host.bodyBytes(body);
  // A body that is still to come is a promise.
  return typedTag(bytes) === undefined ? promiseThen(bytes, f) : resolved(f(bytes));
}

function bodyText(body) {
  return isStream(body) ? promiseThen(readAll(body), host.textOf) : host.bodyText(body);
}

function bodyJSON(body) {
  return isStream(body) ? promiseThen(readAll(body), host.jsonOf) : host.bodyJSON(body);
}

function bodyWhole(body) {
  return whole(body, (bytes) => bytes);
}

function bodyArrayBuffer(body) {
  return whole(body, (bytes) => typedBuffer(bytes));
}

function bodyBlob(body, type) {
  return whole(body, (bytes) => new Blob(internal, { __proto__: null, bytes, type: type === null ? "" : host.mimeType(type) }));
}

function bodyForm(body, type) {
  return whole(body, (bytes) => formFrom(type, bytes));
}

const notBytesRead = "This ReadableStream did not return bytes.";

// ReadAll collects a stream. A chunk may come inside the call that asks for it, so asking is a loop, not a recursion.
class ReadAll {
  constructor(reader, promise) {
    this.reader = reader;
    this.promise = promise;
    this.list = [];
    this.asking = false;
    this.again = false;
  }
  read() {
    do {
      this.again = false;
      this.asking = true;
      readerRead(this.reader, this);
      this.asking = false;
    } while (this.again);
  }
  chunk(value) {
    const bytes = bytesOf(value);
    if (bytes === null) {
      const e = new TypeErrorCtor(notBytesRead);
      refuse(this.promise, e);
      readerCancel(this.reader, e);
      return;
    }
    push(this.list, bytes);
    if (this.asking) this.again = true;
    else this.read();
  }
  close() {
    fulfill(this.promise, host.concat(this.list));
  }
  error(e) {
    refuse(this.promise, e);
  }
}

// readAll is a promise of all bytes of a stream, as one Uint8Array.
function readAll(stream) {
  const promise = pending();
  new ReadAll(acquireReader(openReadable(readableOf(stream))), promise).read();
  return promise;
}

// sendStream locks a stream that the host is going to send: streamStart finds its reader there.
function sendStream(stream) {
  acquireReader(openReadable(readableOf(stream)));
  return stream;
}

// Pump gives what a stream produces to the host, as fast as the host has room.
class Pump {
  constructor(reader, n) {
    this.reader = reader;
    this.n = n; // the host's number for it
    this.asking = false;
    this.again = false;
  }
  read() {
    do {
      this.again = false;
      this.asking = true;
      readerRead(this.reader, this);
      this.asking = false;
    } while (this.again);
  }
  chunk(value) {
    const bytes = bytesOf(value);
    if (bytes === null) {
      const e = new TypeErrorCtor(notBytesRead);
      handled(readerCancel(this.reader, e));
      host.streamEnd(this.n, true, e);
      return;
    }
    if (!host.streamWrite(this.n, bytes)) return; // until room
    if (this.asking) this.again = true;
    else this.read();
  }
  close() {
    host.streamEnd(this.n, false);
  }
  error(e) {
    host.streamEnd(this.n, true, e);
  }
}

// streamStart, streamRoom and streamCancel are called by the host.

function streamStart(stream, n) {
  const pump = new Pump(readableOf(stream).reader, n);
  pump.read();
  return pump;
}

function streamRoom(pump) {
  pump.read();
}

function streamCancel(pump) {
  if (isStream(pump)) pump = { __proto__: null, reader: readableOf(pump).reader }; // it was never started
  handled(readerCancel(pump.reader, new ErrorCtor("Network connection lost.")));
}
