// Response.

// One number holds a response's status (the low ten bits) and these flags.
const statusMask = 1023;
const bodyWasUsed = 1024;
const isTextBody = 4096; // the body's type is text/plain and no header list has been made yet
const isFormBody = 8192; // the same for a form
const isJSONBody = 16384; // the same for JSON
const isErrorResponse = 32768;

function isNullBodyStatus(status) {
  return status === 101 || status === 204 || status === 205 || status === 304;
}

// hostedSocket is the WebSocket of a Response of the host. From then on the response has it.
function hostedSocket(r) {
  let socket = givenSocket(r);
  if (socket === undefined) {
    socket = host.msgSocket(r);
    if (socket !== null) giveSocket(r, socket);
  }
  return socket;
}
const { get: givenSocket, set: giveSocket } = givenField();

const handshakeClone = "Cannot clone a response to a WebSocket handshake.";

let replyWith; // (value) gives the host the Response that a handler returned
let isResponse;
let responseParts; // (response) what it crosses to another program as: see crossing.js
let responseFrom; // (parts)

// givenStream finds the stream over the body of a Response of the host. Such a response is an object of the host without
// any private field: what it has is in Go, and a response that is only handed on costs no more than that.
const { get: givenStream, set: giveStream } = givenField();

function hostedStream(r) {
  if (!host.msgHasBody(r)) return null;
  let s = givenStream(r);
  if (s === undefined) {
    // From here on the stream knows whether the body was used.
    s = host.msgTouch(r) ? usedStream() : streamOf(r);
    giveStream(r, s);
  }
  return s;
}

function hostedUsed(r) {
  const s = givenStream(r);
  return s === undefined ? host.msgUsed(r) : streamDisturbed(s);
}

// hostedUse takes the body for reading.
function hostedUse(r) {
  if (host.msgUse(r) === null) return takeStream(givenStream(r));
  return host.msgHasBody(r) ? r : null;
}

function hostedClone(r) {
  if (hostedSocket(r) !== null) throw new TypeErrorCtor(handshakeClone);
  const s = givenStream(r);
  if (s === undefined ? host.msgUsed(r) : streamUsed(s)) throw new TypeErrorCtor(usedText);
  const copy = host.msgClone(r);
  if (s === undefined && !host.msgStreamed(r)) return copy;
  const bodies = cloneBody(hostedStream(r));
  giveStream(r, bodies[0]);
  host.msgTouch(copy);
  giveStream(copy, bodies[1]);
  return copy;
}

// abortableBody makes the body of a Response of the host fail when a signal aborts. One that is all there looks at the signal when
// it is read, so that a signal that lives long does not remember every response.
function abortableBody(r, signal) {
  if (!host.msgHasBody(r)) return r;
  const s = readableOf(hostedStream(r));
  if (!host.msgStreamed(r)) {
    s.signal = signal;
    return r;
  }
  openReadable(s);
  const c = s.controller;
  const { pull, cancel } = c;
  const forget = onAbort(signal, () => {
    if (s.state !== isReadable) return;
    cancel();
    controllerError(c, signal.reason);
  });
  // A signal may live long: what it was to stop is forgotten with its end.
  c.pull = () => promiseThen(pull(), () => (s.state === isReadable ? undefined : forget()));
  c.cancel = () => {
    forget();
    return cancel();
  };
  return r;
}

class Response {
  #bits = 200;
  #body = null;
  #headers = null; // made when asked for
  #x = null; // the rest, made when needed: {statusText, webSocket, cf, encodeBody}
  constructor(body = null, init = undefined) {
    if (typeof body === "string" && init === undefined) {
      // The commonest response of all.
      this.#body = body;
      this.#bits = 200 | isTextBody;
      return;
    }
    if (init != null) Response.#init(this, init);
    if (body === null || body === undefined) return;
    if (isNullBodyStatus(this.#bits)) {
      throw new TypeErrorCtor("Response with null body status (101, 204, 205, or 304) cannot have a body.");
    }
    this.#body = bodyFrom(body);
    if (givenType !== null) Response.#type(this, givenType);
  }
  static #init(r, init) {
    if (typeof init !== "object" && typeof init !== "function") {
      throw new TypeErrorCtor(`Response: the second argument must be an object, not ${typeName(init)}`);
    }
    const { status, statusText, headers, webSocket, cf, encodeBody } = init;
    let code = 200;
    if (status !== undefined) {
      code = trunc(+status) & 0xffff;
      if (code < 200 || code > 599) {
        if (code !== 101 || webSocket === undefined || webSocket === null) {
          throw new RangeErrorCtor("Responses may only be constructed with status codes in the range 200 to 599, inclusive.");
        }
      }
      r.#bits = code;
    }
    if (webSocket !== undefined && webSocket !== null) {
      if (!host.isWebSocket(webSocket)) throw new TypeErrorCtor("Incorrect type for the 'webSocket' field on 'InitializerDict': the provided value is not of type 'WebSocket'.");
      if (code !== 101) throw new RangeErrorCtor("Responses with a WebSocket must have status code 101.");
      Response.#extra(r).webSocket = webSocket;
    }
    if (statusText !== undefined) {
      const text = `${statusText}`;
      if (text !== "") {
        if (!host.reasonPhrase(text)) throw new TypeErrorCtor("Response: invalid statusText");
        Response.#extra(r).statusText = text;
      }
    }
    if (headers !== undefined) r.#headers = new Headers(headers);
    if (cf !== undefined && cf !== null) Response.#extra(r).cf = cf;
    if (encodeBody !== undefined) {
      if (encodeBody !== "manual" && encodeBody !== "automatic") throw new TypeErrorCtor(`encodeBody: unexpected value: ${encodeBody}`);
      if (encodeBody === "manual") Response.#extra(r).encodeBody = encodeBody;
    }
  }
  static #extra(r) {
    if (r.#x === null) r.#x = { __proto__: null, statusText: "", webSocket: null, cf: undefined, encodeBody: "automatic" };
    return r.#x;
  }
  // #type sets the default Content-Type.
  static #type(r, type) {
    if (r.#headers !== null) {
      if (!headersHas(r.#headers, "content-type")) headersAppend(r.#headers, "content-type", type);
    } else if (type === textType) {
      r.#bits |= isTextBody;
    } else if (type === formType) {
      r.#bits |= isFormBody;
    } else if (type === jsonType) {
      r.#bits |= isJSONBody;
    } else {
      headersAppend(r.headers, "content-type", type);
    }
  }
  static #use(r) {
    if (!(#bits in r)) return hostedUse(r);
    const body = r.#body;
    if (body === null) return null;
    if (r.#bits & bodyWasUsed) throw new TypeErrorCtor(usedText);
    if (typeof body === "object" && isStream(body)) return takeStream(body); // it knows from now on that it was used
    r.#bits |= bodyWasUsed;
    return body;
  }
  static #contentType(r) {
    if (!(#bits in r)) return host.msgHeader(r, "content-type");
    return combined(headersList(headersGet(r)), "content-type");
  }
  static error() {
    const r = new Response();
    r.#bits = isErrorResponse;
    r.#headers = freezeHeaders(new Headers());
    return r;
  }
  static redirect(url, status = 302) {
    if (arguments.length === 0) throw new TypeErrorCtor("Response.redirect needs a URL");
    const href = host.urlHref(`${url}`);
    if (href === null) throw new TypeErrorCtor("Unable to parse URL.");
    status = trunc(+status) & 0xffff;
    if (status !== 301 && status !== 302 && status !== 303 && status !== 307 && status !== 308) {
      throw new RangeErrorCtor(`${status} is not a redirect status code.`);
    }
    const r = new Response();
    r.#bits = status;
    r.#headers = new Headers();
    headersAppend(r.#headers, "location", href);
    freezeHeaders(r.#headers);
    return r;
  }
  static json(data, init = undefined) {
    const text = jsonStringify(data);
    if (text === undefined) throw new TypeErrorCtor(`Response.json: ${typeName(data)} cannot be written as JSON`);
    const r = new Response();
    if (init != null) Response.#init(r, init);
    if (isNullBodyStatus(r.#bits & statusMask)) throw new TypeErrorCtor("Response with null body status (101, 204, 205, or 304) cannot have a body.");
    r.#body = text;
    Response.#type(r, jsonType);
    return r;
  }
  get status() {
    return #bits in this ? this.#bits & statusMask : host.msgStatus(this);
  }
  get ok() {
    const status = #bits in this ? this.#bits & statusMask : host.msgStatus(this);
    return status >= 200 && status <= 299;
  }
  get statusText() {
    if (!(#bits in this)) return host.msgStatusText(this);
    return this.#x === null ? "" : this.#x.statusText;
  }
  get headers() {
    if (!(#bits in this)) return void host.msgStatus(this), headersOf(this);
    let h = this.#headers;
    if (h === null) {
      const bits = this.#bits;
      h = new Headers();
      if (bits & isTextBody) headersAppend(h, "content-type", textType);
      else if (bits & isFormBody) headersAppend(h, "content-type", formType);
      else if (bits & isJSONBody) headersAppend(h, "content-type", jsonType);
      this.#bits = bits & ~(isTextBody | isFormBody | isJSONBody);
      this.#headers = h;
    }
    return h;
  }
  get body() {
    if (!(#bits in this)) return hostedStream(this);
    const body = this.#body;
    if (body === null || isStream(body)) return body;
    const stream = this.#bits & bodyWasUsed ? usedStream() : streamOf(body);
    this.#body = stream;
    this.#bits &= ~bodyWasUsed;
    return stream;
  }
  get bodyUsed() {
    if (!(#bits in this)) return hostedUsed(this);
    if (this.#bits & bodyWasUsed) return true;
    const body = this.#body;
    return body !== null && isStream(body) && streamDisturbed(body);
  }
  get url() {
    return #bits in this ? "" : host.msgURL(this);
  }
  get redirected() {
    return #bits in this ? false : host.msgRedirected(this);
  }
  get type() {
    if (!(#bits in this)) return void host.msgStatus(this), "default";
    return this.#bits & isErrorResponse ? "error" : "default";
  }
  get webSocket() {
    if (!(#bits in this)) return hostedSocket(this);
    return this.#x === null ? null : this.#x.webSocket;
  }
  get cf() {
    if (!(#bits in this)) return void host.msgStatus(this), undefined;
    return this.#x === null ? undefined : this.#x.cf;
  }
  clone() {
    if (!(#bits in this)) return hostedClone(this);
    const x = this.#x;
    const body = this.#body;
    if (this.#bits & bodyWasUsed || (body !== null && isStream(body) && streamUsed(body))) throw new TypeErrorCtor(usedText);
    if (x !== null && x.webSocket !== null) throw new TypeErrorCtor(handshakeClone);
    const r = new Response();
    r.#bits = this.#bits;
    if (typeof body === "object" && body !== null) {
      const bodies = cloneBody(body);
      this.#body = bodies[0];
      r.#body = bodies[1];
    } else {
      r.#body = body;
    }
    if (this.#headers !== null) r.#headers = new Headers(this.#headers);
    if (x !== null) r.#x = { __proto__: null, statusText: x.statusText, webSocket: null, cf: x.cf, encodeBody: x.encodeBody };
    return r;
  }
  text() {
    try {
      if (!(#bits in this)) {
        const p = host.msgText(this);
        if (p !== null) return p;
      }
      const body = Response.#use(this);
      return typeof body === "string" ? host.bodyText(body) : bodyText(body);
    } catch (e) {
      return rejected(e);
    }
  }
  json() {
    try {
      if (!(#bits in this)) {
        const p = host.msgJSON(this);
        if (p !== null) return p;
      }
      return bodyJSON(Response.#use(this));
    } catch (e) {
      return rejected(e);
    }
  }
  bytes() {
    try {
      return bodyWhole(Response.#use(this));
    } catch (e) {
      return rejected(e);
    }
  }
  arrayBuffer() {
    try {
      return bodyArrayBuffer(Response.#use(this));
    } catch (e) {
      return rejected(e);
    }
  }
  blob() {
    try {
      const type = Response.#contentType(this);
      return bodyBlob(Response.#use(this), type);
    } catch (e) {
      return rejected(e);
    }
  }
  formData() {
    try {
      const type = Response.#contentType(this);
      return bodyForm(Response.#use(this), type);
    } catch (e) {
      return rejected(e);
    }
  }
  static {
    isResponse = (v) => typeof v === "object" && v !== null && (#bits in v || host.isResponse(v));
    responseParts = (r) => {
      const hosted = !(#bits in r);
      const x = hosted ? null : r.#x;
      const status = hosted ? host.msgStatus(r) : r.#bits & isErrorResponse ? 0 : r.#bits & statusMask;
      const text = hosted ? host.msgStatusText(r) : x === null ? "" : x.statusText;
      const list = headersList(headersGet(r));
      return ["Response", status, text, list, responseBody(r), x === null ? undefined : x.cf, x === null ? "automatic" : x.encodeBody, hosted ? hostedSocket(r) : x === null ? null : x.webSocket];
    };
    responseFrom = (parts) => {
      if (parts[1] === 0) return Response.error();
      if (typeof parts[1] !== "number") throw malformed("a Response");
      const r = new Response();
      Response.#init(r, { __proto__: null, status: parts[1], statusText: textPart(parts[2], "a Response"), cf: parts[5], encodeBody: parts[6] });
      r.#headers = headersFrom(parts[3]);
      r.#body = bodyPart(parts[4]);
      return r;
    };
    replyWith = (v) => {
      if (typeof v !== "object" || v === null || !(#bits in v)) {
        if (!isResponse(v)) {
          throw new TypeErrorCtor(`Incorrect type for Promise: the Promise did not resolve to 'Response' (it resolved to ${typeName(v)})`);
        }
        const body = hostedUse(v);
        if (body === null || !isStream(body)) host.forward(v);
        else host.reply(host.msgStatus(v), sendStream(body), headersList(headersOf(v)), host.msgStatusText(v), null, "automatic");
        return;
      }
      const bits = v.#bits;
      const x = v.#x;
      let body = v.#body;
      if (bits & bodyWasUsed) throw new TypeErrorCtor(usedText);
      if (bits & isErrorResponse) throw new TypeErrorCtor("Response.error() cannot be sent as a response");
      if (body !== null) {
        if (typeof body === "object" && isStream(body)) {
          body = takeStream(body);
          if (body !== null && isStream(body)) sendStream(body);
        } else {
          v.#bits = bits | bodyWasUsed;
        }
      }
      const headers = v.#headers === null ? null : headersList(v.#headers);
      if (x === null) host.reply(bits, body, headers);
      else host.reply(bits, body, headers, x.statusText, x.webSocket, x.encodeBody);
    };
  }
}
webClass(Response, "Response");
const headersGet = uncurry(getOwnPropertyDescriptor(Response.prototype, "headers").get);
const responseBody = uncurry(getOwnPropertyDescriptor(Response.prototype, "body").get);
