// WebSocket, WebSocketPair, CloseEvent and WebSocketRequestResponsePair.

class CloseEvent extends Event {
  #code;
  #reason;
  #wasClean;
  constructor(type, init = undefined) {
    if (arguments.length === 0) throw new TypeErrorCtor("Failed to construct 'CloseEvent': constructor parameter 1 is not of type 'string'.");
    if (noOptions(init)) throw new TypeErrorCtor("Failed to construct 'CloseEvent': constructor parameter 2 is not of type 'Initializer'.");
    super(type);
    const { code = 0, reason = "", wasClean = false } = init ?? {};
    this.#code = code | 0;
    this.#reason = toWellFormed(`${reason}`);
    this.#wasClean = !!wasClean;
  }
  get code() {
    return this.#code;
  }
  get reason() {
    return this.#reason;
  }
  get wasClean() {
    return this.#wasClean;
  }
}
webClass(CloseEvent, "CloseEvent");

// A WebSocket is an object of the host: what it has is there, but for its listeners (see hostedTarget). So an object that wakes up
// with a thousand sockets makes them in a step each, and those that it never looks at cost nothing.
class WebSocket extends EventTarget {
  constructor(url, protocols = undefined) {
    if (arguments.length === 0) throw new TypeErrorCtor("Failed to construct 'WebSocket': constructor parameter 1 is not of type 'string'.");
    url = `${url}`;
    const names = protocolNames(protocols);
    const href = host.urlHref(url);
    if (href === null) throw connectError("The url is invalid.");
    const scheme = slice(href, 0, strIndexOf(href, ":"));
    if (scheme !== "ws" && scheme !== "wss") throw connectError("The url scheme must be ws or wss.");
    if (strIndexOf(href, "#") >= 0) throw connectError("The url fragment must be empty.");
    checkProtocols(names, isArray(protocols));
    return host.socketConnect(new.target.prototype, url, href, join(names, ", "));
  }
}
natives(WebSocket, {
  accept: host.socketAccept, send: host.socketSend, close: host.socketClose, serializeAttachment: host.socketAttach, deserializeAttachment: host.socketAttachment,
});
getter("readyState", host.socketReadyState);
getter("bufferedAmount", host.socketBuffered);
getter("url", host.socketURL);
getter("protocol", host.socketProtocol);
getter("extensions", host.socketExtensions);
getter("binaryType", host.socketBinaryType, host.socketSetBinaryType);
constants(WebSocket, {
  READY_STATE_CONNECTING: 0, CONNECTING: 0, READY_STATE_OPEN: 1, OPEN: 1, READY_STATE_CLOSING: 2, CLOSING: 2, READY_STATE_CLOSED: 3, CLOSED: 3,
});
webClass(WebSocket, "WebSocket");

function getter(name, get, set = undefined) {
  defineProperty(WebSocket.prototype, name, { __proto__: null, get, set, configurable: true });
}

function connectError(text) {
  return new DOMException(`WebSocket Constructor: ${text}`, "SyntaxError");
}

// protocolNames lists the second argument of the constructor.
function protocolNames(protocols) {
  const names = [];
  if (isArray(protocols)) for (let i = 0; i < protocols.length; i++) push(names, `${protocols[i]}`);
  else if (protocols !== undefined && protocols !== null) push(names, `${protocols}`);
  return names;
}

// checkProtocols wants a list of different tokens.
function checkProtocols(names, listed) {
  for (let i = 0; i < names.length; i++) {
    if (host.headerName(names[i]) === null) throw connectError(listed ? "One of the protocol header tokens is invalid." : "The protocol header token is invalid.");
    if (arrIndexOf(names, names[i]) < i) throw connectError("The protocols header cannot have repeating values.");
  }
}

// socketEvent is called by the host. kind is 0 for open, 1 for a message (a), 2 for a binary message (a, a Uint8Array) that is a Blob to
// the program, 3 for close (code a, reason b, clean c), 4 for an error (a). It returns a list of what listeners threw, or null.
function socketEvent(socket, kind, a, b, c) {
  switch (kind) {
    case 0:
      return dispatchOn(socket, new Event("open"));
    case 1:
      return dispatchOn(socket, new MessageEvent("message", { __proto__: null, data: a }));
    case 2:
      return dispatchOn(socket, new MessageEvent("message", { __proto__: null, data: new Blob(internal, { __proto__: null, bytes: a, type: "" }) }));
    case 3:
      return dispatchOn(socket, new CloseEvent("close", { __proto__: null, code: a, reason: b, wasClean: c }));
  }
  let message = "Uncaught exception";
  try {
    message = `Uncaught ${a}`;
  } catch {
    // Its toString throws.
  }
  return dispatchOn(socket, new ErrorEvent("error", { __proto__: null, message, error: a }));
}

class WebSocketPair {
  constructor() {
    const ends = host.socketPair();
    for (let i = 0; i < 2; i++) defineProperty(this, i, { __proto__: null, value: ends[i], enumerable: true, configurable: true });
  }
  [iteratorSymbol]() {
    return new ListOf(internal, [this[0], this[1]]);
  }
}
webClass(WebSocketPair, "WebSocketPair");

class ListOf {
  #list;
  #at = 0;
  constructor(key, list) {
    if (key !== internal) throw illegalConstructor();
    this.#list = list;
  }
  next() {
    const i = this.#at;
    if (i >= this.#list.length) return { value: undefined, done: true };
    this.#at = i + 1;
    return { value: this.#list[i], done: false };
  }
}
webClass(ListOf, "WebSocketPair Iterator");
delete ListOf.prototype.constructor;
setPrototypeOf(ListOf.prototype, IteratorPrototype);

let pairTexts; // (pair) [request, response]; null for anything else

class WebSocketRequestResponsePair {
  #request;
  #response;
  constructor(request, response) {
    for (let n = 1; n <= 2; n++) {
      if (arguments.length < n) throw new TypeErrorCtor(`Failed to construct 'WebSocketRequestResponsePair': constructor parameter ${n} is not of type 'string'.`);
    }
    this.#request = `${request}`;
    this.#response = `${response}`;
  }
  get request() {
    return this.#request;
  }
  get response() {
    return this.#response;
  }
  static {
    pairTexts = (v) => (typeof v === "object" && v !== null && #request in v ? [v.#request, v.#response] : null);
  }
}
webClass(WebSocketRequestResponsePair, "WebSocketRequestResponsePair");

// setAutoResponse and autoResponse are ctx.setWebSocketAutoResponse and its get.
function setAutoResponse(object, pair) {
  if (pair === undefined) {
    host.socketsAutoUnset(object);
    return;
  }
  const texts = pairTexts(pair);
  if (texts === null) throw wrongType("setWebSocketAutoResponse", "DurableObjectState", 1, "WebSocketRequestResponsePair");
  host.socketsAutoSet(object, texts[0], texts[1]);
}

function autoResponse(object) {
  const texts = host.socketsAuto(object);
  return texts === null ? null : new WebSocketRequestResponsePair(texts[0], texts[1]);
}
