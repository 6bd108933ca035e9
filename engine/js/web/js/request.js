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

let requestFrom; // (message handle) a Request that is still in Go
let isRequest;
let sendRequest; // (send, request) calls send with what the host needs

class Request {
  #src = null; // the handle of the message that holds all of the request, as long as #d is null
  // What the program has asked about or given, or null:
  // {method, url, headers, body, used, stream, redirect, signal, cf, cache, integrity, keepalive}
  #d = null;
  constructor(input, init = undefined) {
    if (input === internal) {
      this.#src = init;
      return;
    }
    if (arguments.length === 0) throw new TypeErrorCtor("Request needs a URL or a Request");
    const d = newDetails();
    let from = null;
    if (typeof input === "object" && input !== null && #d in input) {
      from = Request.#details(input);
      d.method = from.method;
      d.url = from.url;
      d.redirect = from.redirect;
      d.signal = from.signal;
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
        if (i.cache !== undefined) d.cache = `${i.cache}`;
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
      const type = bodyType(body);
      if (type !== null) {
        if (d.headers === null) d.headers = new Headers();
        if (!headersHas(d.headers, "content-type")) headersAppend(d.headers, "content-type", type);
      }
    } else if (from !== null && body === undefined && from.body !== null) {
      if (detailsUsed(from)) throw new TypeErrorCtor("Cannot reconstruct a Request with a used body.");
      if (d.method === "GET" || d.method === "HEAD") throw new TypeErrorCtor("Request with a GET or HEAD method cannot have a body.");
      d.body = useDetails(from);
    }
    this.#d = d;
  }
  // #details pulls a request of the host over. Its headers stay where they are until asked for.
  static #details(r) {
    let d = r.#d;
    if (d === null) {
      const src = r.#src;
      d = newDetails();
      d.method = host.msgMethod(src);
      d.url = host.msgURL(src);
      d.headers = headersOf(src);
      d.body = host.msgHasBody(src) ? src : null;
      d.redirect = "manual";
      d.hosted = true;
      r.#d = d;
    }
    return d;
  }
  get method() {
    return this.#d === null ? host.msgMethod(this.#src) : this.#d.method;
  }
  get url() {
    return this.#d === null ? host.msgURL(this.#src) : this.#d.url;
  }
  get headers() {
    const d = Request.#details(this);
    if (d.headers === null) d.headers = new Headers();
    return d.headers;
  }
  get body() {
    const d = Request.#details(this);
    if (d.body === null) return null;
    if (d.stream === null) {
      d.stream = streamOf(d.body);
      if (d.used) takeStream(d.stream);
    }
    return d.stream;
  }
  get bodyUsed() {
    const d = this.#d;
    return d !== null && detailsDisturbed(d);
  }
  get redirect() {
    return Request.#details(this).redirect;
  }
  get signal() {
    const d = Request.#details(this);
    if (d.signal === null) d.signal = newAbortSignal();
    return d.signal;
  }
  get cf() {
    return this.#d === null ? undefined : this.#d.cf;
  }
  get cache() {
    return this.#d === null ? undefined : this.#d.cache;
  }
  get integrity() {
    return this.#d === null ? "" : this.#d.integrity;
  }
  get keepalive() {
    return this.#d !== null && this.#d.keepalive;
  }
  clone() {
    const from = Request.#details(this);
    if (detailsUsed(from)) throw new TypeErrorCtor(usedText);
    const r = new Request(internal, this.#src);
    const d = newDetails();
    assign(d, from);
    d.stream = null;
    if (from.headers !== null && !from.hosted) d.headers = new Headers(from.headers);
    if (from.signal !== null) d.signal = followSignal(from.signal);
    r.#d = d;
    return r;
  }
  text() {
    try {
      return host.bodyText(useDetails(Request.#details(this)));
    } catch (e) {
      return rejected(e);
    }
  }
  json() {
    try {
      return host.bodyJSON(useDetails(Request.#details(this)));
    } catch (e) {
      return rejected(e);
    }
  }
  bytes() {
    try {
      return resolved(bodyBytes(useDetails(Request.#details(this))));
    } catch (e) {
      return rejected(e);
    }
  }
  arrayBuffer() {
    try {
      return resolved(bodyArrayBuffer(useDetails(Request.#details(this))));
    } catch (e) {
      return rejected(e);
    }
  }
  static {
    requestFrom = (src) => new Request(internal, src);
    isRequest = (v) => typeof v === "object" && v !== null && #d in v;
    sendRequest = (target, r) => {
      let d = r.#d;
      // Untouched, or only looked at: the host passes its own message on. A body that is there is used up by it.
      if (d === null || (d.hosted && !detailsUsed(d) && d.signal === null)) {
        if (d === null && host.msgHasBody(r.#src)) d = Request.#details(r);
        if (d !== null && d.body !== null) useDetails(d);
        return host.stubForward(target, r.#src);
      }
      if (d.signal !== null && d.signal.aborted) return rejected(d.signal.reason);
      const headers = d.headers === null ? null : headersList(d.headers);
      const body = useDetails(d);
      const reply = host.stubFetch(target, d.method, d.url, headers, body, redirectModes[d.redirect]);
      return d.signal === null ? reply : abortable(reply, d.signal);
    };
  }
}
webClass(Request, "Request");

function newDetails() {
  return {
    __proto__: null, method: "GET", url: "", headers: null, body: null, used: false, stream: null, redirect: "follow",
    signal: null, cf: undefined, cache: undefined, integrity: "", keepalive: false, hosted: false,
  };
}

function requestURL(text) {
  const href = host.urlHref(text);
  if (href === null) throw new TypeErrorCtor("Invalid URL");
  return href;
}

function detailsDisturbed(d) {
  return d.used || (d.stream !== null && streamDisturbed(d.stream));
}

function detailsUsed(d) {
  return d.used || (d.stream !== null && (streamDisturbed(d.stream) || streamLocked(d.stream)));
}

// useDetails takes the body for reading.
function useDetails(d) {
  if (detailsUsed(d)) throw new TypeErrorCtor(usedText);
  if (d.body === null) return null;
  d.used = true;
  if (d.stream !== null) takeStream(d.stream);
  return d.body;
}
