// Cloudflare's custom spans. Nothing is traced here: as in workerd without a tracer, what is to be measured runs, and a span
// notes nothing.

const spanContext = freeze({ traceId: "00000000000000000000000000000000", spanId: "0000000000000000", traceFlags: 0 });

class Span {
  constructor(key) {
    if (key !== internal) throw illegalConstructor();
  }
  get isTraced() {
    return false;
  }
  spanContext() {
    return spanContext;
  }
  setAttribute(key) {
    if (typeof key !== "string") throw wrongType("setAttribute", "Span", 1, "string");
    return this;
  }
  setAttributes() {
    return this;
  }
  recordException() {}
  updateName() {
    return this;
  }
  setStatus(status) {
    if (!isObject(status)) throw wrongType("setStatus", "Span", 1, "TracingSpanStatus");
    const { code } = status;
    if (code !== "unset" && code !== "ok" && code !== "error") throw new TypeErrorCtor("Span status code must be 'unset', 'ok', or 'error'.");
    return this;
  }
  end() {}
}
webClass(Span, "Span");

const theSpan = new Span(internal);

function callInSpan(method, name, fn, args) {
  if (typeof name === "symbol" || name === undefined) throw wrongType(method, "Tracing", 1, "string");
  if (typeof fn !== "function") throw wrongType(method, "Tracing", 2, "Function");
  return apply(fn, undefined, [theSpan, ...args]);
}

class Tracing {
  constructor(key) {
    if (key !== internal) throw illegalConstructor();
  }
  enterSpan(name, fn, ...args) {
    return callInSpan("enterSpan", name, fn, args);
  }
  startActiveSpan(name, fn, ...args) {
    return callInSpan("startActiveSpan", name, fn, args);
  }
  startSpan(name) {
    if (typeof name === "symbol" || name === undefined) throw wrongType("startSpan", "Tracing", 1, "string");
    return theSpan;
  }
  getActiveSpan() {
    return theSpan;
  }
  withActiveSpan(span, fn, ...args) {
    if (span !== theSpan) throw wrongType("withActiveSpan", "Tracing", 1, "Span");
    if (typeof fn !== "function") throw wrongType("withActiveSpan", "Tracing", 2, "Function");
    return apply(fn, undefined, args);
  }
}
webClass(Tracing, "Tracing");
hide(Tracing.prototype, "Span", Span);

const theTracing = new Tracing(internal);
