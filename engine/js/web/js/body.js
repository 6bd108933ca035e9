// Bodies of requests and responses, and the ReadableStream over them.
//
// A body is one of: null; a string; a Uint8Array that nobody else holds; or the handle of a message whose bytes
// are in Go. All of them are immutable, so a clone shares them. The host's body* functions take any of them; bodyText and
// bodyJSON answer with a settled promise, made in one step.

const usedText = "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.";

const textType = "text/plain;charset=UTF-8";
const formType = "application/x-www-form-urlencoded;charset=UTF-8";
const jsonType = "application/json";

// bodyFrom takes what a user gives as a body.
function bodyFrom(v) {
  if (typeof v === "string" || v === null) return v;
  if (v === undefined) return null;
  if (typeof v !== "object" && typeof v !== "function") return `${v}`;
  const pairs = paramsList(v);
  if (pairs !== null) return host.queryFormat(pairs);
  if (isStream(v)) return takeStream(v);
  const bytes = bytesOf(v);
  if (bytes !== null) return host.bodyBytes(bytes);
  throw new TypeErrorCtor(`A body cannot be made of ${typeName(v)}: give a string, an ArrayBuffer, a view of one, URLSearchParams, or the body of a Request or Response`);
}

// bodyType is the Content-Type that comes with it, or null.
function bodyType(v) {
  if (typeof v === "string") return textType;
  if (v === null || v === undefined) return null;
  if (typeof v !== "object" && typeof v !== "function") return textType;
  return paramsList(v) !== null ? formType : null;
}

function bodyBytes(body) {
  return body === null ? new U8(0) : host.bodyBytes(body);
}

function bodyArrayBuffer(body) {
  return typedBuffer(bodyBytes(body));
}

let isStream;
let streamOf; // (body) a stream of a body's bytes
let takeStream; // (stream) the body inside, and the stream is locked and disturbed from now on
let streamDisturbed;
let streamLocked;
let readerOf; // (stream) its reader's steps

// ReadableStream is a stream of a whole body in one chunk.
class ReadableStream {
  #body = null;
  #reader = null;
  #disturbed = false;
  #closed = false;
  #taken = false;
  constructor(key = undefined, body = undefined) {
    if (key !== internal) throw new TypeErrorCtor("ReadableStream cannot be constructed: only bodies of requests and responses are streams");
    this.#body = body;
  }
  get locked() {
    return this.#reader !== null || this.#taken;
  }
  cancel(reason = undefined) {
    return attempt(() => {
      if (this.locked) throw new TypeErrorCtor("This ReadableStream is currently locked to a reader.");
      ReadableStream.#drop(this);
      return resolved(undefined);
    });
  }
  getReader(options = undefined) {
    if (options != null && options.mode !== undefined) throw new TypeErrorCtor(`ReadableStream.getReader: mode ${jsonStringify(`${options.mode}`)} is not supported`);
    return new ReadableStreamDefaultReader(this);
  }
  values(options = undefined) {
    const reader = new ReadableStreamDefaultReader(this);
    const keep = options != null && !!options.preventCancel;
    const iterator = {
      next() {
        return promiseThen(readerRead(reader), (r) => {
          if (r.done) readerRelease(reader);
          return r;
        });
      },
      return(value) {
        return attempt(() => {
          if (readerStream(reader) !== null) {
            if (!keep) ReadableStream.#drop(readerStream(reader));
            readerRelease(reader);
          }
          return resolved({ value, done: true });
        });
      },
      [asyncIteratorSymbol]() {
        return iterator;
      },
    };
    return iterator;
  }
  static #drop(s) {
    s.#disturbed = true;
    s.#closed = true;
    s.#body = null;
  }
  static {
    isStream = (v) => typeof v === "object" && v !== null && #disturbed in v;
    streamOf = (body) => new ReadableStream(internal, body);
    takeStream = (s) => {
      if (s.#disturbed) throw new TypeErrorCtor(usedText);
      if (s.#reader !== null || s.#taken) throw new TypeErrorCtor("This ReadableStream is currently locked to a reader.");
      s.#disturbed = true;
      s.#taken = true;
      const body = s.#body;
      s.#body = null;
      return body;
    };
    streamDisturbed = (s) => s.#disturbed;
    streamLocked = (s) => s.#reader !== null || s.#taken;
    readerOf = {
      attach(s, reader) {
        if (s.#reader !== null || s.#taken) throw new TypeErrorCtor("This ReadableStream is currently locked to a reader.");
        s.#reader = reader;
      },
      detach(s) {
        s.#reader = null;
      },
      read(s) {
        s.#disturbed = true;
        if (s.#closed) return { value: undefined, done: true };
        s.#closed = true;
        const value = bodyBytes(s.#body);
        s.#body = null;
        return value.length === 0 ? { value: undefined, done: true } : { value, done: false };
      },
      drop: (s) => ReadableStream.#drop(s),
    };
  }
}
hide(ReadableStream.prototype, asyncIteratorSymbol, ReadableStream.prototype.values);
webClass(ReadableStream, "ReadableStream");

let readerRead;
let readerRelease;
let readerStream;

class ReadableStreamDefaultReader {
  #stream;
  #finished = null; // the promise of closed, made when asked for
  #finish = null;
  #over = false;
  constructor(stream) {
    if (!isStream(stream)) throw new TypeErrorCtor("ReadableStreamDefaultReader needs a ReadableStream");
    readerOf.attach(stream, this);
    this.#stream = stream;
  }
  get closed() {
    if (this.#finished === null) {
      if (this.#over) this.#finished = resolved(undefined);
      else if (this.#stream === null) this.#finished = rejected(new TypeErrorCtor("This ReadableStream reader has been released."));
      else this.#finished = new PromiseCtor((resolve, reject) => (this.#finish = { resolve, reject }));
    }
    return this.#finished;
  }
  read() {
    return readerRead(this);
  }
  cancel(reason = undefined) {
    return attempt(() => {
      if (this.#stream === null) throw new TypeErrorCtor("This ReadableStream reader has been released.");
      readerOf.drop(this.#stream);
      ReadableStreamDefaultReader.#end(this);
      return resolved(undefined);
    });
  }
  releaseLock() {
    readerRelease(this);
  }
  static #end(r) {
    r.#over = true;
    if (r.#finish !== null) r.#finish.resolve(undefined);
    r.#finish = null;
  }
  static {
    readerRead = (r) =>
      attempt(() => {
        if (r.#stream === null) throw new TypeErrorCtor("This ReadableStream reader has been released.");
        const result = readerOf.read(r.#stream);
        if (result.done) ReadableStreamDefaultReader.#end(r);
        return resolved(result);
      });
    readerRelease = (r) => {
      if (r.#stream === null) return;
      readerOf.detach(r.#stream);
      r.#stream = null;
      if (r.#finish !== null) {
        r.#finish.reject(new TypeErrorCtor("This ReadableStream reader has been released."));
        r.#finish = null;
      } else if (!r.#over) {
        r.#finished = null;
      }
    };
    readerStream = (r) => r.#stream;
  }
}
webClass(ReadableStreamDefaultReader, "ReadableStreamDefaultReader");
