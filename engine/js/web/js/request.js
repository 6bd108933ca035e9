// Request.

const normalMethods = { __proto__: null, GET: "GET", HEAD: "HEAD", POST: "POST", PUT: "PUT", DELETE: "DELETE", OPTIONS: "OPTIONS" };
const forbiddenMethods = { __proto__: null, CONNECT: true, TRACE: true, TRACK: true };
const redirectModes = { __proto__: null, follow: 0, manual: 1, error: 2 };

function requestMethod(method) {
  method = `${method}`;
  if (method === "GET" || method === "POST") return method;
  const upper = toUpper(method);
  const normal = normalMethods[upper];
  if (normal !== undefined) return normal;
  if (host.headerName(method) === null) throw new TypeErrorCtor(`Invalid HTTP method string: ${method}`);
  if (forbiddenMethods[upper] === true) throw new TypeErrorCtor(`Forbidden HTTP method: ${method}`);
  return method;
}

const cacheModes = { __proto__: null, default: true, "no-store": true, reload: true, "no-cache": true, "force-cache": true, "only-if-cached": true };

let isRequest;
let sendRequest; // (stub, request) sends it to a stub of the host
let requestParts; // (request) what it crosses to another program as: see crossing.js
let requestFrom; // (parts)
let sendOut; // (request) sends it to where its URL points

// givenDetails finds what JavaScript knows of a Request of the host. Such a request is an object of the host without any
// private field: a program that looks at its method, its URL and its headers and passes it on makes no more of it.
const { get: givenDetails, set: giveDetails } = givenField();

// incomingSignal aborts when whoever sent a request leaves before the whole response is out. It is not a signal for requests that
// are made out of that one, as on Cloudflare.
const { get: givenSignal, set: giveSignal } = givenField();

function incomingSignal(r) {
  let s = givenSignal(r);
  if (s === undefined) {
    s = newAbortSignal();
    giveSignal(r, s);
    host.msgWatch(r, s);
  }
  return s;
}

// callerLeft is called by the host.
function callerLeft(signal) {
  abortSignal(signal, new DOMException("The client has disconnected", "AbortError"));
}

class Request {
  #d; // see newDetails
  constructor(input, init = undefined) {
    if (input === internal) {
      this.#d = init;
      return;
    }
    const d = newDetails();
    let from = null;
    if (isRequest(input)) {
      from = Request.#details(input);
      d.method = from.method;
      d.url = from.url;
      d.redirect = from.redirect;
      d.signal = from.signal;
      d.came = from.came;
      d.cf = from.cf;
      d.cache = from.cache;
      d.integrity = from.integrity;
      d.keepalive = from.keepalive;
    } else {
      d.url = requestURL(typeof input === "string" ? input : `${input}`);
    }
    let headers = undefined;
    let body = undefined;
    if (init !== undefined && init !== null) {
      if (typeof init !== "object" && typeof init !== "function") {
        throw new TypeErrorCtor(`Request: the second argument must be an object, not ${typeName(init)}`);
      }
      if (isRequest(init)) {
        // fetch(url, request): everything of the request but its URL.
        const of = Request.#details(init);
        d.method = of.method;
        d.redirect = of.redirect;
        d.signal = of.signal;
        d.came = of.came;
        d.cf = of.cf;
        headers = init.headers;
        body = init.body;
      } else {
        const i = init;
        if (i.method !== undefined) d.method = requestMethod(i.method);
        if (i.redirect !== undefined) {
          const mode = `${i.redirect}`;
          if (redirectModes[mode] === undefined) throw new TypeErrorCtor(`Invalid redirect value, must be one of "follow", "error" or "manual": ${mode}`);
          d.redirect = mode;
        }
        const signal = i.signal;
        if (signal === null) d.signal = null;
        else if (signal !== undefined) {
          if (!isAbortSignal(signal)) throw new TypeErrorCtor(`Request: signal must be an AbortSignal, not ${typeName(signal)}`);
          d.signal = signal;
        }
        if (i.cf !== undefined) d.cf = i.cf;
        if (i.cache !== undefined) {
          const cache = `${i.cache}`;
          // A Worker has no origin: what only its own cache may answer is refused to it, unless it says that it knows better.
          if (cacheModes[cache] !== true || (cache === "only-if-cached" && i.mode !== "same-origin")) throw new TypeErrorCtor(`Unsupported cache mode: ${cache}`);
          d.cache = cache;
        }
        if (i.integrity !== undefined) d.integrity = `${i.integrity}`;
        if (i.keepalive !== undefined) d.keepalive = !!i.keepalive;
        headers = i.headers;
        body = i.body;
      }
    }
    if (headers !== undefined) d.headers = new Headers(headers);
    else if (from !== null) d.headers = new Headers(input.headers);
    if (body !== undefined && body !== null) {
      if (d.method === "GET" || d.method === "HEAD") throw new TypeErrorCtor("Request with a GET or HEAD method cannot have a body.");
      d.body = bodyFrom(body);
      if (givenType !== null) {
        const type = givenType;
        if (d.headers === null) d.headers = new Headers();
        if (!headersHas(d.headers, "content-type")) headersAppend(d.headers, "content-type", type);
      }
    } else if (from !== null && body === undefined && from.body !== null) {
      if (detailsUsed(from)) throw new TypeErrorCtor("Cannot reconstruct a Request with a used body.");
      if (d.method === "GET" || d.method === "HEAD") throw new TypeErrorCtor("Request with a GET or HEAD method cannot have a body.");
      d.body = useDetails(from);
      if (typeof d.body === "object" && d.body !== null && isStream(d.body)) d.body = moveStream(d.body);
    }
    this.#d = d;
  }
  // #details is what JavaScript knows of a request. A request of the host is pulled over for it, but its headers stay where
  // they are.
  static #details(r) {
    if (#d in r) return r.#d;
    let d = givenDetails(r);
    if (d === undefined) {
      d = newDetails();
      d.method = host.msgMethod(r);
      d.url = host.msgURL(r);
      d.headers = headersOf(r);
      d.body = host.msgHasBody(r) ? r : null;
      d.redirect = "manual";
      d.hosted = r;
      d.came = r;
      d.used = host.msgTouch(r);
      giveDetails(r, d);
    }
    return d;
  }
  get method() {
    return #d in this ? this.#d.method : host.msgMethod(this);
  }
  get url() {
    return #d in this ? this.#d.url : host.msgURL(this);
  }
  get headers() {
    if (!(#d in this)) return void host.msgMethod(this), headersOf(this);
    const d = this.#d;
    if (d.headers === null) d.headers = new Headers();
    return d.headers;
  }
  get body() {
    const d = Request.#details(this);
    if (d.body === null || isStream(d.body)) return d.body;
    d.body = d.used ? usedStream() : streamOf(d.body);
    d.used = false;
    return d.body;
  }
  get bodyUsed() {
    if (#d in this) return detailsDisturbed(this.#d);
    const d = givenDetails(this);
    return d === undefined ? host.msgUsed(this) : detailsDisturbed(d);
  }
  get redirect() {
    return Request.#details(this).redirect;
  }
  get signal() {
    const d = Request.#details(this);
    if (d.signal !== null) {
      // It is one of its own, which nobody needs who does not ask for it.
      if (d.own === null) d.own = followSignal(d.signal);
      return d.own;
    }
    if (d.came !== null) return incomingSignal(d.came);
    if (d.never === null) d.never = newAbortSignal();
    return d.never;
  }
  get cf() {
    return Request.#details(this).cf;
  }
  get cache() {
    return Request.#details(this).cache;
  }
  get integrity() {
    return Request.#details(this).integrity;
  }
  get duplex() {
    void Request.#details(this);
    return "half";
  }
  get keepalive() {
    return Request.#details(this).keepalive;
  }
  clone() {
    const from = Request.#details(this);
    if (detailsUsed(from)) throw new TypeErrorCtor(usedText);
    const d = newDetails();
    assign(d, from);
    if (typeof d.body === "object" && d.body !== null) {
      const bodies = cloneBody(d.body);
      from.body = bodies[0];
      d.body = bodies[1];
    }
    if (from.headers !== null && from.hosted === null) d.headers = new Headers(from.headers);
    d.own = null;
    return new Request(internal, d);
  }
  text() {
    try {
      if (!(#d in this)) {
        const p = host.msgText(this);
        if (p !== null) return p;
      }
      return bodyText(useDetails(Request.#details(this)));
    } catch (e) {
      return rejected(e);
    }
  }
  json() {
    try {
      if (!(#d in this)) {
        const p = host.msgJSON(this);
        if (p !== null) return p;
      }
      return bodyJSON(useDetails(Request.#details(this)));
    } catch (e) {
      return rejected(e);
    }
  }
  bytes() {
    try {
      return bodyWhole(useDetails(Request.#details(this)));
    } catch (e) {
      return rejected(e);
    }
  }
  arrayBuffer() {
    try {
      return bodyArrayBuffer(useDetails(Request.#details(this)));
    } catch (e) {
      return rejected(e);
    }
  }
  blob() {
    try {
      const d = Request.#details(this);
      const type = detailsType(d);
      return bodyBlob(useDetails(d), type);
    } catch (e) {
      return rejected(e);
    }
  }
  formData() {
    try {
      const d = Request.#details(this);
      const type = detailsType(d);
      return bodyForm(useDetails(d), type);
    } catch (e) {
      return rejected(e);
    }
  }
  static {
    isRequest = (v) => typeof v === "object" && v !== null && (#d in v || host.isRequest(v));
    requestParts = (r) => {
      const d = Request.#details(r);
      // The signal of a request that came from outside is made when somebody looks at it, and never aborts.
      const signal = d.hosted !== null || d.signal === null ? undefined : d.signal;
      return ["Request", d.url, d.method, headersList(requestHeaders(r)), requestBody(r), d.redirect, d.cf, d.cache, d.integrity, d.keepalive, signal];
    };
    requestFrom = (parts) => {
      const d = newDetails();
      d.url = requestURL(textPart(parts[1], "a Request"));
      d.method = requestMethod(textPart(parts[2], "a Request"));
      d.headers = headersFrom(parts[3]);
      d.body = bodyPart(parts[4]);
      if (redirectModes[textPart(parts[5], "a Request")] === undefined) throw malformed("a Request");
      d.redirect = parts[5];
      d.cf = parts[6];
      d.cache = parts[7] === undefined ? undefined : textPart(parts[7], "a Request");
      d.integrity = textPart(parts[8], "a Request");
      d.keepalive = parts[9] === true;
      if (isAbortSignal(parts[10])) d.signal = parts[10];
      return new Request(internal, d);
    };
    sendRequest = (stub, r) => {
      if (!(#d in r)) {
        // Untouched, or only looked at: the host passes its own message on, and uses up its body.
        const reply = host.stubForward(stub, r);
        if (reply !== null) return reply;
      }
      const d = Request.#details(r);
      const body = useDetails(d);
      if (d.signal !== null && d.signal.aborted) return abortedFetch(body, d.signal.reason);
      if (d.hosted !== null && d.signal === null && (body === null || !isStream(body))) return host.stubForward(stub, d.hosted, true);
      const headers = d.headers === null ? null : headersList(d.headers);
      if (typeof body === "object" && body !== null && isStream(body)) sendStream(body);
      const n = d.signal === null ? 0 : ++lastFetch;
      const reply = host.stubFetch(stub, d.method, d.url, headers, body, redirectModes[d.redirect], n);
      return fetched(d, n, reply);
    };
    sendOut = (r) => {
      if (!(#d in r)) {
        const reply = host.fetchForward(r);
        if (reply !== null) return reply;
      }
      const d = Request.#details(r);
      const signal = d.signal;
      if (d.body !== null && detailsUsed(d)) throw new TypeErrorCtor("Cannot reconstruct a Request with a used body.");
      const body = useDetails(d);
      if (signal !== null && signal.aborted) return abortedFetch(body, signal.reason);
      const headers = d.headers === null ? null : headersList(d.headers);
      if (typeof body === "object" && body !== null && isStream(body)) sendStream(body);
      const n = signal === null ? 0 : ++lastFetch;
      const reply = host.fetchOut(n, d.method, d.url, headers, body, redirectModes[d.redirect]);
      return fetched(d, n, reply);
    };
  }
}
webClass(Request, "Request");
const requestHeaders = uncurry(getOwnPropertyDescriptor(Request.prototype, "headers").get);
const requestBody = uncurry(getOwnPropertyDescriptor(Request.prototype, "body").get);

function newDetails() {
  return {
    __proto__: null, method: "GET", url: "", headers: null, body: null, used: false, redirect: "follow",
    signal: null, cf: undefined, cache: undefined, integrity: "", keepalive: false,
    hosted: null, // the object of the host that this is all about, or a clone of
    came: null, // the object of the host that this came in as, or was made of
    own: null, // the signal that follows signal
    never: null, // the signal that there is for want of one
  };
}

function requestURL(text) {
  const href = host.urlHref(text);
  if (href === null) throw new TypeErrorCtor("Invalid URL");
  return href;
}

function detailsDisturbed(d) {
  return d.used || (d.body !== null && isStream(d.body) && streamDisturbed(d.body));
}

function detailsUsed(d) {
  return d.used || (d.body !== null && isStream(d.body) && streamUsed(d.body));
}

// useDetails takes the body for reading.
function useDetails(d) {
  if (d.body === null) return null;
  if (d.used) throw new TypeErrorCtor(usedText);
  if (isStream(d.body)) return takeStream(d.body); // it knows from now on that it was used
  d.used = true;
  return d.body;
}

function detailsType(d) {
  return d.headers === null ? null : d.hosted === null ? combined(headersList(d.headers), "content-type") : host.msgHeader(d.hosted, "content-type");
}
