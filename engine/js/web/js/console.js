// console, with a formatter like Node's util.inspect: what people who read logs are used to.

const inspectDepth = 2;
const inspectItems = 100;
const inspectText = 10000; // characters of one string inside an object
const consoleText = 65536; // characters of one message
const inspectObjects = 5000; // objects shown in all, so that a log line of a large structure stays cheap

// inspection is the state of showing one value: the objects it is inside of, and how many more it may show.
function inspection(...path) {
  return { __proto__: null, path, left: inspectObjects };
}

function quote(s) {
  const q = strIndexOf(s, "'") < 0 ? "'" : strIndexOf(s, '"') < 0 ? '"' : strIndexOf(s, "`") < 0 && strIndexOf(s, "${") < 0 ? "`" : "'";
  let out = q;
  for (let i = 0; i < s.length; i++) {
    const c = charCode(s, i);
    if (c === 10) out += "\\n";
    else if (c === 13) out += "\\r";
    else if (c === 9) out += "\\t";
    else if (c === 92) out += "\\\\";
    else if (c < 32 || c === 127) out += `\\x${padStart(toUpper(numberToString(c, 16)), 2, "0")}`;
    else if (s[i] === q) out += `\\${q}`;
    else out += s[i];
  }
  return out + q;
}
const identifier = /^[A-Za-z_$][\w$]*$/;

function keyText(k) {
  if (typeof k === "symbol") return `[${symbolToString(k)}]`;
  return regexExec(identifier, k) !== null ? k : quote(k);
}

function inspect(v, state) {
  switch (typeof v) {
    case "string":
      return quote(v.length > inspectText ? `${slice(v, 0, inspectText)}... ${v.length - inspectText} more characters` : v);
    case "number":
      return v === 0 && 1 / v < 0 ? "-0" : `${v}`;
    case "bigint":
      return `${v}n`;
    case "symbol":
      return symbolToString(v);
    case "undefined":
    case "boolean":
      return `${v}`;
  }
  if (v === null) return "null";
  if (--state.left < 0) return "...";
  const depth = state.path.length;
  try {
    return inspectObject(v, state);
  } catch {
    // A getter or a proxy in it throws.
    state.path.length = depth;
    return `[${typeName(v)}]`;
  }
}

function errorText(e) {
  let stack, head;
  const name = e.name === undefined ? "Error" : StringOf(e.name);
  const message = e.message === undefined ? "" : StringOf(e.message);
  head = message === "" ? name : name === "" ? message : `${name}: ${message}`;
  stack = typeof e.stack === "string" ? e.stack : "";
  while (stack !== "" && charCode(stack, stack.length - 1) === 10) stack = slice(stack, 0, -1);
  if (stack === "") return `[${head}]`;
  return strIndexOf(stack, head) === 0 ? stack : `${head}\n${stack}`;
}

function inspectObject(v, state) {
  const path = state.path;
  if (arrIndexOf(path, v) >= 0) return "[Circular *1]";
  if (typeof v === "object" && isErrorObject(v)) {
    let text = errorText(v);
    const extra = [];
    push(path, v);
    const names = objectKeys(v);
    for (let i = 0; i < names.length; i++) {
      if (names[i] === "message" || names[i] === "stack") continue;
      push(extra, `${keyText(names[i])}: ${inspect(v[names[i]], state)}`);
    }
    if ("cause" in v && arrIndexOf(names, "cause") < 0) push(extra, `[cause]: ${inspect(v.cause, state)}`);
    if (isArray(v.errors) && arrIndexOf(names, "errors") < 0) push(extra, `[errors]: ${inspect(v.errors, state)}`);
    path.length--;
    if (extra.length > 0) text += ` ${layout(extra, "{", "}", path.length)}`;
    return text;
  }
  const name = typeName(v);
  if (path.length > inspectDepth) return isArray(v) ? "[Array]" : typeof v === "function" ? functionHead(v) : `[${name}]`;
  if (typeof v === "object") {
    try {
      const iso = dateToISO(v);
      return iso;
    } catch (e) {
      if (e instanceof RangeErrorCtor) return "Invalid Date";
    }
    if (objectTag(v) === "[object RegExp]") {
      try {
        return regexToString(v);
      } catch {
        // An object that only says it is one.
      }
    }
  }
  push(path, v);
  const parts = [];
  let open = "{";
  let close = "}";
  let prefix = "";
  let skip = 0; // own keys that the items show already: array indexes
  if (isArray(v)) {
    open = "[";
    close = "]";
    if (name !== "Array") prefix = `${name}(${v.length}) `;
    skip = 1;
    let holes = 0;
    const n = v.length;
    let shown = 0;
    for (let i = 0; i < n && shown < inspectItems; i++) {
      if (getOwnPropertyDescriptor(v, i) === undefined) {
        // A hole. A long run of them costs one look each up to a limit.
        holes++;
        if (holes > 100000) break;
        continue;
      }
      if (holes > 0) {
        push(parts, `<${holes} empty item${holes === 1 ? "" : "s"}>`);
        holes = 0;
      }
      push(parts, member(v, i, state));
      shown++;
    }
    if (holes > 0) push(parts, `<${holes} empty item${holes === 1 ? "" : "s"}>`);
    if (shown === inspectItems && n > inspectItems) push(parts, more(n - inspectItems));
  } else if (isView(v) && typedTag(v) !== undefined) {
    open = "[";
    close = "]";
    skip = 1;
    const n = v.length;
    prefix = `${name}(${n}) `;
    for (let i = 0; i < n && i < inspectItems; i++) push(parts, inspect(v[i], state));
    if (n > inspectItems) push(parts, more(n - inspectItems));
  } else if (isBuffer(v)) {
    const bytes = new U8(v);
    let hex = "";
    const n = typedByteLength(bytes);
    for (let i = 0; i < n && i < 50; i++) hex += (i ? " " : "") + padStart(numberToString(bytes[i], 16), 2, "0");
    if (n > 50) hex += ` ... ${n - 50} more bytes`;
    prefix = "ArrayBuffer ";
    push(parts, `[Uint8Contents]: <${hex}>`, `byteLength: ${n}`);
  } else if (isMap(v)) {
    prefix = `${name}(${mapSize(v)}) `;
    let n = 0;
    mapForEach(v, (item, key) => {
      if (n++ < inspectItems) push(parts, `${inspect(key, state)} => ${inspect(item, state)}`);
    });
    if (n > inspectItems) push(parts, more(n - inspectItems));
  } else if (isSet(v)) {
    prefix = `${name}(${setSize(v)}) `;
    let n = 0;
    setForEach(v, (item) => {
      if (n++ < inspectItems) push(parts, inspect(item, state));
    });
    if (n > inspectItems) push(parts, more(n - inspectItems));
  } else if (isHeaders(v)) {
    prefix = "Headers(" + headersList(v).length / 2 + ") ";
    const list = headersList(v);
    for (let i = 0; i < list.length; i += 2) push(parts, `${keyText(list[i])} => ${quote(list[i + 1])}`);
  } else if (paramsList(v) !== null) {
    const list = paramsList(v);
    prefix = "URLSearchParams ";
    for (let i = 0; i < list.length; i += 2) push(parts, `${quote(list[i])} => ${quote(list[i + 1])}`);
  } else if (v instanceof URL) {
    path.length--;
    return `URL { ${quote(`${v}`)} }`;
  } else if (v instanceof PromiseCtor) {
    prefix = "Promise ";
    const s = host.promiseState(v);
    if (s !== null) push(parts, s[0] === 0 ? "<pending>" : s[0] === 1 ? inspect(s[1], state) : `<rejected> ${inspect(s[1], state)}`);
  } else if (typeof v === "function") {
    prefix = `${functionHead(v)} `;
  } else if (isResponse(v)) {
    prefix = "Response ";
    push(parts, `status: ${v.status}`, `statusText: ${quote(v.statusText)}`, `ok: ${v.ok}`, `bodyUsed: ${v.bodyUsed}`, `headers: ${inspect(v.headers, state)}`);
  } else if (isRequest(v)) {
    prefix = "Request ";
    push(parts, `method: ${quote(v.method)}`, `url: ${quote(v.url)}`, `bodyUsed: ${v.bodyUsed}`, `headers: ${inspect(v.headers, state)}`);
  } else {
    const proto = getPrototypeOf(v);
    if (proto === null) prefix = "[Object: null prototype] ";
    else if (name !== "Object") prefix = `${name} `;
    const primitive = primitiveOf(v);
    if (primitive !== null) {
      prefix = `[${name}: ${primitive}] `;
      skip = 1;
    }
  }
  const names = ownKeys(v);
  let more_ = 0;
  for (let i = 0; i < names.length; i++) {
    const k = names[i];
    if (typeof k === "string" && skip === 1 && regexExec(indexName, k) !== null) continue;
    const d = getOwnPropertyDescriptor(v, k);
    if (d === undefined || !d.enumerable) continue;
    if (parts.length >= inspectItems + 1) more_++;
    else push(parts, `${keyText(k)}: ${member(v, k, state, d)}`);
  }
  if (more_ > 0) push(parts, more(more_));
  path.length--;
  if (parts.length === 0) {
    if (typeof v === "function" || (prefix !== "" && prefix[0] === "[" && prefix !== "[Object: null prototype] ")) return slice(prefix, 0, -1);
    return `${prefix}${open}${close}`;
  }
  return prefix + layout(parts, open, close, path.length);
}
const indexName = /^(?:0|[1-9]\d*)$/;

function more(n) {
  return `... ${n} more item${n === 1 ? "" : "s"}`;
}

function functionHead(v) {
  let source = "";
  try {
    source = functionToString(v);
  } catch {
    // A function without a source shows its name only.
  }
  const kind = strIndexOf(source, "class") === 0 ? "class" : "Function";
  const name = typeof v.name === "string" && v.name !== "" ? v.name : "(anonymous)";
  return kind === "class" ? `[class ${name}]` : name === "(anonymous)" ? "[Function (anonymous)]" : `[Function: ${name}]`;
}

function primitiveOf(v) {
  for (let i = 0; i < unboxers.length; i++) {
    try {
      return inspect(unboxers[i](v), inspection());
    } catch {
      // Not of this kind.
    }
  }
  return null;
}

function member(v, k, state, d = getOwnPropertyDescriptor(v, k)) {
  if (d === undefined) return "undefined";
  if (d.get !== undefined) return d.set !== undefined ? "[Getter/Setter]" : "[Getter]";
  if (d.set !== undefined) return "[Setter]";
  return inspect(d.value, state);
}

function isMap(v) {
  try {
    mapSize(v);
    return true;
  } catch {
    return false;
  }
}

function isSet(v) {
  try {
    setSize(v);
    return true;
  } catch {
    return false;
  }
}

// layout puts the parts on one line when they are short, else one to a line.
function layout(parts, open, close, depth) {
  let width = parts.length + depth * 2;
  let lines = false;
  for (let i = 0; i < parts.length; i++) {
    width += parts[i].length;
    if (strIndexOf(parts[i], "\n") >= 0) lines = true;
  }
  if (width <= 72 && !lines) return `${open} ${join(parts, ", ")} ${close}`;
  const pad = strRepeat("  ", depth + 1);
  return `${open}\n${pad}${join(parts, `,\n${pad}`)}\n${strRepeat("  ", depth)}${close}`;
}

function show(v) {
  return typeof v === "string" ? v : inspect(v, inspection());
}

// format joins the arguments of a console call, with printf's placeholders in the first.
function format(args) {
  let out = "";
  let next = 0;
  if (args.length > 0 && typeof args[0] === "string") {
    const f = args[0];
    next = 1;
    if (args.length === 1 || strIndexOf(f, "%") < 0) {
      out = f;
    } else {
      let from = 0;
      for (let i = 0; i < f.length - 1; i++) {
        if (charCode(f, i) !== 37) continue;
        const c = f[i + 1];
        let text;
        if (c === "%") text = "%";
        else if (next >= args.length) continue;
        else {
          const v = args[next];
          if (c === "s") text = typeof v === "object" && v !== null ? inspect(v, inspection()) : typeof v === "bigint" ? `${v}n` : typeof v === "symbol" ? symbolToString(v) : `${v}`;
          else if (c === "d") text = typeof v === "bigint" ? `${v}n` : typeof v === "symbol" || typeof v === "object" ? "NaN" : `${NumberOf(v)}`;
          else if (c === "i") text = typeof v === "bigint" ? `${v}n` : typeof v === "symbol" || typeof v === "object" ? "NaN" : `${trunc(parseFloat_(`${v}`))}`;
          else if (c === "f") text = typeof v === "symbol" ? "NaN" : `${parseFloat_(`${v}`)}`;
          else if (c === "j") text = safeJSON(v);
          else if (c === "o" || c === "O") text = inspect(v, inspection());
          else if (c === "c") text = "";
          else continue;
          next++;
        }
        out += slice(f, from, i) + text;
        from = i + 2;
        i++;
      }
      out += slice(f, from);
    }
  }
  for (; next < args.length; next++) out += (next > 0 ? " " : "") + show(args[next]);
  return out;
}

function safeJSON(v) {
  try {
    return `${jsonStringify(v)}`;
  } catch {
    return "[Circular]";
  }
}

let consoleIndent = "";
const consoleCounts = new MapCtor();
const consoleTimes = new MapCtor();

function logLine(level, text) {
  if (text.length > consoleText) text = `${slice(text, 0, consoleText)}... ${text.length - consoleText} more characters`;
  if (consoleIndent !== "") text = consoleIndent + join(strSplit(text, "\n"), `\n${consoleIndent}`);
  host.log(level, text);
}

function tableText(data) {
  if (typeof data !== "object" || data === null) return show(data);
  const rows = [];
  if (isMap(data)) mapForEach(data, (v, k) => push(rows, [show(k), v]));
  else if (isSet(data)) {
    let i = 0;
    setForEach(data, (v) => push(rows, [`${i++}`, v]));
  } else {
    const names = objectKeys(data);
    for (let i = 0; i < names.length; i++) push(rows, [names[i], data[names[i]]]);
  }
  const columns = ["(index)"];
  let plain = false;
  const cells = [];
  for (let i = 0; i < rows.length && i < 1000; i++) {
    const name = rows[i][0];
    const v = rows[i][1];
    const line = { __proto__: null, "(index)": name };
    if (typeof v === "object" && v !== null) {
      const names = objectKeys(v);
      for (let j = 0; j < names.length; j++) {
        if (arrIndexOf(columns, names[j]) < 0) push(columns, names[j]);
        line[names[j]] = inspect(v[names[j]], inspection(data, v));
      }
    } else {
      plain = true;
      line.Values = inspect(v, inspection(data));
    }
    push(cells, line);
  }
  if (plain) push(columns, "Values");
  const widths = [];
  for (let c = 0; c < columns.length; c++) {
    let w = columns[c].length;
    for (let i = 0; i < cells.length; i++) {
      const t = cells[i][columns[c]];
      if (t !== undefined && t.length > w) w = t.length;
    }
    push(widths, w + 2);
  }
  const rule = (l, m, r) => {
    let out = l;
    for (let c = 0; c < widths.length; c++) out += strRepeat("─", widths[c]) + (c + 1 < widths.length ? m : r);
    return out;
  };
  const row = (get) => {
    let out = "│";
    for (let c = 0; c < widths.length; c++) out += padEnd(` ${get(columns[c]) ?? ""}`, widths[c]) + "│";
    return out;
  };
  const lines = [rule("┌", "┬", "┐"), row((c) => c), rule("├", "┼", "┤")];
  for (let i = 0; i < cells.length; i++) push(lines, row((c) => cells[i][c]));
  push(lines, rule("└", "┴", "┘"));
  return join(lines, "\n");
}

function elapsed(label) {
  const start = mapGet(consoleTimes, label);
  if (start === undefined) return null;
  const ms = host.now() - start;
  return ms >= 1000 ? `${numberToFixed(ms / 1000, 3)}s` : `${numberToFixed(ms, 3)}ms`;
}

const console = {
  __proto__: {}, // as every namespace of WebIDL has one
  log(...args) {
    logLine("log", format(args));
  },
  info(...args) {
    logLine("info", format(args));
  },
  warn(...args) {
    logLine("warn", format(args));
  },
  error(...args) {
    logLine("error", format(args));
  },
  debug(...args) {
    logLine("debug", format(args));
  },
  trace(...args) {
    const text = format(args);
    const stack = new ErrorCtor().stack;
    logLine("debug", `Trace${text === "" ? "" : `: ${text}`}\n${typeof stack === "string" ? stack : ""}`);
  },
  assert(condition = false, ...args) {
    if (condition) return;
    if (args.length > 0 && typeof args[0] === "string") args[0] = `Assertion failed: ${args[0]}`;
    else args = ["Assertion failed", ...args];
    logLine("error", format(args));
  },
  dir(value = undefined) {
    logLine("log", inspect(value, inspection()));
  },
  dirxml(...args) {
    logLine("log", format(args));
  },
  table(data = undefined) {
    logLine("log", tableText(data));
  },
  count(label = "default") {
    label = `${label}`;
    const n = (mapGet(consoleCounts, label) ?? 0) + 1;
    if (n > 1 || mapSize(consoleCounts) < 1000) mapSet(consoleCounts, label, n);
    logLine("info", `${label}: ${n}`);
  },
  countReset(label = "default") {
    label = `${label}`;
    if (!mapDelete(consoleCounts, label)) logLine("warn", `Count for '${label}' does not exist`);
  },
  time(label = "default") {
    label = `${label}`;
    if (mapHas(consoleTimes, label)) logLine("warn", `Timer '${label}' already exists`);
    else if (mapSize(consoleTimes) < 1000) mapSet(consoleTimes, label, host.now());
  },
  timeLog(label = "default", ...args) {
    label = `${label}`;
    const t = elapsed(label);
    if (t === null) logLine("warn", `Timer '${label}' does not exist`);
    else logLine("info", `${label}: ${t}${args.length > 0 ? ` ${format(args)}` : ""}`);
  },
  timeEnd(label = "default") {
    label = `${label}`;
    const t = elapsed(label);
    if (t === null) logLine("warn", `Timer '${label}' does not exist`);
    else {
      mapDelete(consoleTimes, label);
      logLine("info", `${label}: ${t}`);
    }
  },
  timeStamp() {},
  group(...args) {
    if (args.length > 0) logLine("log", format(args));
    if (consoleIndent.length < 100) consoleIndent += "  ";
  },
  groupCollapsed(...args) {
    if (args.length > 0) logLine("log", format(args));
    if (consoleIndent.length < 100) consoleIndent += "  ";
  },
  groupEnd() {
    consoleIndent = slice(consoleIndent, 2);
  },
  clear() {},
};
defineProperty(console, toStringTagSymbol, { __proto__: null, value: "console", configurable: true });
