// URLPattern (https://urlpattern.spec.whatwg.org). A program that touches it pays for it.
//
// A pattern is cut into tokens, tokens become parts, and the parts of each component of a URL become a regular expression. The names of
// functions are the standard's, so that each can be held against its steps.


const components = ["protocol", "username", "password", "hostname", "port", "pathname", "search", "hash"];

// What host.patternPart encodes: a component, or one of two that it knows beside them.
const encodeIPv6 = "ipv6";
const encodeOpaque = "opaque";

// Options of a component: what separates its segments, and what a group takes as its prefix.
const plainOptions = { __proto__: null, delimiter: "", prefix: "" };
const hostOptions = { __proto__: null, delimiter: ".", prefix: "" };
const pathOptions = { __proto__: null, delimiter: "/", prefix: "/" };

const specialPorts = { __proto__: null, http: "80", https: "443", ws: "80", wss: "443", ftp: "21", file: "" };
const specialSchemes = ["http", "https", "ws", "wss", "ftp", "file"];

const nameStart = new RegExpCtor("[$_\\p{ID_Start}]", "u");
const namePart = new RegExpCtor("[$_\\u200c\\u200d\\p{ID_Continue}]", "u");

function badPattern(why) {
  return new TypeErrorCtor(`URLPattern: ${why}`);
}

// patternCodePoint is the character at an index, of one or two units.
function patternCodePoint(s, i) {
  return codePoint(s, i) > 0xffff ? slice(s, i, i + 2) : s[i];
}

function isNamePart(c, first) {
  return c !== undefined && c !== "" && regexExec(first ? nameStart : namePart, c) !== null;
}

// --- Tokens: {type, index, value}.

function tokenize(input, lenient) {
  const tokens = [];
  const n = input.length;
  let i = 0;
  const add = (type, next, from, to) => {
    push(tokens, { __proto__: null, type, index: i, value: slice(input, from, to) });
    i = next;
  };
  const bad = (next, from, why) => {
    if (!lenient) throw badPattern(`${why} at ${i} of the pattern "${input}"`);
    add("invalid-char", next, from, next);
  };
  while (i < n) {
    const c = patternCodePoint(input, i);
    const next = i + c.length;
    switch (c) {
      case "*":
        add("asterisk", next, i, next);
        continue;
      case "+":
      case "?":
        add("other-modifier", next, i, next);
        continue;
      case "{":
        add("open", next, i, next);
        continue;
      case "}":
        add("close", next, i, next);
        continue;
      case "\\": {
        if (next === n) {
          bad(next, i, "there is nothing to escape");
          continue;
        }
        const end = next + patternCodePoint(input, next).length;
        add("escaped-char", end, next, end);
        continue;
      }
      case ":": {
        let end = next;
        while (end < n) {
          const part = patternCodePoint(input, end);
          if (!isNamePart(part, end === next)) break;
          end += part.length;
        }
        if (end === next) bad(next, i, "a name is missing");
        else add("name", end, next, end);
        continue;
      }
      case "(": {
        const end = regexpEnd(input, next);
        if (end < 0) bad(next, i, "there is no valid regular expression");
        else add("regexp", end, next, end - 1);
        continue;
      }
    }
    add("char", next, i, next);
  }
  add("end", i, i, i);
  return tokens;
}

// regexpEnd is the index behind the parenthesis that ends the expression which begins at start; -1 if there is none, or it is not one.
function regexpEnd(input, start) {
  let depth = 1;
  for (let i = start; i < input.length; i++) {
    const c = charCode(input, i);
    if (c > 0x7f || (i === start && c === 0x3f)) return -1; // not ASCII, or a question mark
    if (c === 0x5c) {
      i++;
      if (i === input.length || charCode(input, i) > 0x7f) return -1;
    } else if (c === 0x29) {
      if (--depth === 0) return i === start ? -1 : i + 1;
    } else if (c === 0x28) {
      depth++;
      if (input[i + 1] !== "?") return -1; // a group that captures would shift the others
    }
  }
  return -1;
}

// --- Parts: {type, value, modifier, name, prefix, suffix}. A modifier is the character that stands for it.

function parsePattern(input, options, encode) {
  const tokens = tokenize(input, false);
  const segment = segmentWildcard(options);
  const parts = [];
  let at = 0;
  let pending = "";
  let nextNumber = 0;
  const take = (type) => (tokens[at].type === type ? tokens[at++] : null);
  const takeGroup = (name) => take("regexp") ?? (name === null ? take("asterisk") : null);
  const takeModifier = () => (take("other-modifier") ?? take("asterisk"))?.value ?? "";
  const takeText = () => {
    let text = "";
    for (let t; (t = take("char") ?? take("escaped-char")) !== null; ) text += t.value;
    return text;
  };
  const require = (type) => {
    if (take(type) === null) throw badPattern(`unexpected "${tokens[at].value}" at ${tokens[at].index} of the pattern "${input}"`);
  };
  const fixed = (text, modifier) => push(parts, { __proto__: null, type: "fixed-text", value: encode(text), modifier, name: "", prefix: "", suffix: "" });
  const flush = () => {
    if (pending === "") return;
    const text = pending;
    pending = "";
    fixed(text, "");
  };
  const add = (prefix, name, group, suffix, modifier) => {
    if (name === null && group === null) {
      if (modifier === "") {
        pending += prefix;
        return;
      }
      flush();
      if (prefix !== "") fixed(prefix, modifier);
      return;
    }
    flush();
    let value = group === null ? segment : group.type === "asterisk" ? ".*" : group.value;
    let type = "regexp";
    if (value === segment) {
      type = "segment-wildcard";
      value = "";
    } else if (value === ".*") {
      type = "full-wildcard";
      value = "";
    }
    const label = name !== null ? name.value : `${nextNumber++}`;
    for (let i = 0; i < parts.length; i++) if (parts[i].name === label) throw badPattern(`the name "${label}" is in the pattern "${input}" twice`);
    push(parts, { __proto__: null, type, value, modifier, name: label, prefix: encode(prefix), suffix: encode(suffix) });
  };
  while (at < tokens.length) {
    const char = take("char");
    const name = take("name");
    const group = takeGroup(name);
    if (name !== null || group !== null) {
      let prefix = char === null ? "" : char.value;
      if (prefix !== "" && prefix !== options.prefix) {
        pending += prefix;
        prefix = "";
      }
      flush();
      add(prefix, name, group, "", takeModifier());
      continue;
    }
    const text = char ?? take("escaped-char");
    if (text !== null) {
      pending += text.value;
      continue;
    }
    if (take("open") !== null) {
      const prefix = takeText();
      const inner = take("name");
      const innerGroup = takeGroup(inner);
      const suffix = takeText();
      require("close");
      add(prefix, inner, innerGroup, suffix, takeModifier());
      continue;
    }
    flush();
    require("end");
  }
  return parts;
}

function segmentWildcard(options) {
  return `[^${escapeRegExp(options.delimiter)}]+?`;
}

function escaped(input, special) {
  let out = "";
  for (let i = 0; i < input.length; i++) out += strIndexOf(special, input[i]) >= 0 ? `\\${input[i]}` : input[i];
  return out;
}

function escapeRegExp(input) {
  return escaped(input, ".+*?^${}()[]|/\\");
}

function escapePattern(input) {
  return escaped(input, "+*?:{}()\\");
}

// --- What a component is compiled to: {pattern, regexp, names, hasGroups}.

function compile(input, encoding, options, ignoreCase) {
  const encode = (text) => (text === "" ? "" : canonical(encoding, text, ""));
  const parts = parsePattern(input, options, encode);
  const names = [];
  let hasGroups = false;
  for (let i = 0; i < parts.length; i++) {
    if (parts[i].type !== "fixed-text") push(names, parts[i].name);
    if (parts[i].type === "regexp") hasGroups = true;
  }
  const source = regexpOf(parts, options);
  let regexp;
  try {
    regexp = new RegExpCtor(mended(source), ignoreCase ? "vi" : "v");
  } catch (e) {
    throw badPattern(`the pattern "${input}" makes no regular expression: ${e.message}`);
  }
  return { __proto__: null, pattern: patternOf(parts, options), regexp, names, hasGroups };
}

function regexpOf(parts, options) {
  let out = "^";
  for (let i = 0; i < parts.length; i++) {
    const { type, value, modifier, prefix, suffix } = parts[i];
    if (type === "fixed-text") {
      out += modifier === "" ? escapeRegExp(value) : `(?:${escapeRegExp(value)})${modifier}`;
      continue;
    }
    const inner = type === "segment-wildcard" ? segmentWildcard(options) : type === "full-wildcard" ? ".*" : value;
    const repeats = modifier === "*" || modifier === "+";
    if (prefix === "" && suffix === "") {
      out += repeats ? `((?:${inner})${modifier})` : `(${inner})${modifier}`;
      continue;
    }
    const before = escapeRegExp(prefix);
    const after = escapeRegExp(suffix);
    if (!repeats) out += `(?:${before}(${inner})${after})${modifier}`;
    else out += `(?:${before}((?:${inner})(?:${after}${before}(?:${inner}))*)${after})${modifier === "*" ? "?" : ""}`;
  }
  return `${out}$`;
}

// mended writes an expression so that QuickJS takes it: under the flag v it asks of characters outside of classes what the language asks inside
// only, that - and / and two equal punctuators in a row be escaped.
function mended(source) {
  let out = "";
  let depth = 0; // of classes
  for (let i = 0; i < source.length; i++) {
    const c = source[i];
    if (c === "\\") {
      out += c + source[++i];
    } else if (c === "[") {
      depth++;
      out += c;
    } else if (c === "]") {
      depth--;
      out += c;
    } else if (depth > 0) {
      out += c;
    } else if (c === "/") {
      out += "\\/";
    } else if ((c === "-" && source[i - 1] !== "?") || (c === source[i - 1] && source[i - 2] !== "\\" && strIndexOf("&!#%,:;<=>@`~", c) >= 0)) {
      out += `\\x${hexOf(charCode(c, 0))}`;
    } else {
      out += c;
    }
  }
  return out;
}

function hexOf(n) {
  return "0123456789abcdef"[n >> 4] + "0123456789abcdef"[n & 15];
}

function isDigit(c) {
  return c >= "0" && c <= "9";
}

function patternOf(parts, options) {
  let out = "";
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    if (part.type === "fixed-text") {
      out += part.modifier === "" ? escapePattern(part.value) : `{${escapePattern(part.value)}}${part.modifier}`;
      continue;
    }
    const previous = i > 0 ? parts[i - 1] : null;
    const next = i + 1 < parts.length ? parts[i + 1] : null;
    const named = !isDigit(part.name[0]);
    let grouped = part.suffix !== "" || (part.prefix !== "" && part.prefix !== options.prefix);
    if (!grouped && named && part.type === "segment-wildcard" && part.modifier === "" && next !== null && next.prefix === "" && next.suffix === "") {
      grouped = next.type === "fixed-text" ? isNamePart(patternCodePoint(next.value, 0), false) : isDigit(next.name[0]);
    }
    if (!grouped && part.prefix === "" && previous !== null && previous.type === "fixed-text" && options.prefix !== "" && slice(previous.value, -1) === options.prefix) grouped = true;
    if (grouped) out += "{";
    out += escapePattern(part.prefix);
    if (named) out += `:${part.name}`;
    if (part.type === "regexp") {
      out += `(${part.value})`;
    } else if (part.type === "segment-wildcard" && !named) {
      out += `(${segmentWildcard(options)})`;
    } else if (part.type === "full-wildcard") {
      const bare = !named && (previous === null || previous.type === "fixed-text" || previous.modifier !== "" || grouped || part.prefix !== "");
      out += bare ? "*" : "(.*)";
    }
    if (part.type === "segment-wildcard" && named && part.suffix !== "" && isNamePart(patternCodePoint(part.suffix, 0), false)) out += "\\";
    out += escapePattern(part.suffix);
    if (grouped) out += "}";
    out += part.modifier;
  }
  return out;
}

function matchesSpecialScheme(component) {
  for (let i = 0; i < specialSchemes.length; i++) if (regexExec(component.regexp, specialSchemes[i]) !== null) return true;
  return false;
}

// --- Canonicalization. The host does it with the URL parser.

function canonical(encoding, value, protocol) {
  if (value === "") return "";
  const out = host.patternPart(encoding, value, protocol);
  if (out === null) throw badPattern(`"${value}" is no valid ${encoding === encodeIPv6 ? "hostname" : encoding === encodeOpaque ? "pathname" : encoding}`);
  return out;
}

function isIPv6Pattern(input) {
  return input.length >= 2 && (input[0] === "[" || ((input[0] === "{" || input[0] === "\\") && input[1] === "["));
}

// --- A pattern in one string.

// parseConstructorString cuts it into components, where it can: what is in braces, or of a name or an expression, is not looked into.
function parseConstructorString(input) {
  const tokens = tokenize(input, true);
  const result = { __proto__: null };
  let state = "init";
  let start = 0; // of the component, as a token's number
  let at = 0;
  let step = 1;
  let depth = 0;
  let brackets = 0;
  let special = false;
  const token = (i) => tokens[i < tokens.length ? i : tokens.length - 1];
  const is = (i, c) => {
    const t = token(i);
    return t.value === c && (t.type === "char" || t.type === "escaped-char" || t.type === "invalid-char");
  };
  const isSearch = () => {
    if (is(at, "?")) return true;
    if (tokens[at].value !== "?") return false;
    if (at === 0) return true;
    const before = tokens[at - 1].type;
    return before !== "name" && before !== "regexp" && before !== "close" && before !== "asterisk";
  };
  const component = () => slice(input, token(start).index, tokens[at].index);
  const rewind = (to) => {
    at = start;
    step = 0;
    state = to;
  };
  const rank = (s) => (s === "authority" ? 1.5 : s === "protocol" ? 0 : s === "username" ? 1 : s === "password" ? 2 : s === "hostname" ? 3 : s === "port" ? 4 : s === "pathname" ? 5 : s === "search" ? 6 : s === "hash" ? 7 : 8);
  const change = (to, skip) => {
    if (state !== "init" && state !== "authority" && state !== "done") result[state] = component();
    if (state !== "init" && to !== "done") {
      const from = rank(state);
      const next = rank(to);
      if (from < 3 && next > 3 && result.hostname === undefined) result.hostname = "";
      if (from < 5 && next > 5 && result.pathname === undefined) result.pathname = special ? "/" : "";
      if (from < 6 && next > 6 && result.search === undefined) result.search = "";
    }
    state = to;
    at += skip;
    start = at;
    step = 0;
  };
  for (; at < tokens.length; at += step) {
    step = 1;
    const type = tokens[at].type;
    if (type === "end") {
      if (state === "init") {
        rewind("init");
        if (is(at, "#")) change("hash", 1);
        else if (isSearch()) change("search", 1);
        else change("pathname", 0);
        continue;
      }
      if (state === "authority") {
        rewind("hostname");
        continue;
      }
      change("done", 0);
      break;
    }
    if (type === "open") {
      depth++;
      continue;
    }
    if (depth > 0) {
      if (type !== "close") continue;
      depth--;
    }
    switch (state) {
      case "init":
        if (is(at, ":")) rewind("protocol");
        break;
      case "protocol":
        if (is(at, ":")) {
          special = matchesSpecialScheme(compile(component(), "protocol", plainOptions, false));
          if (is(at + 1, "/") && is(at + 2, "/")) change("authority", 3);
          else change(special ? "authority" : "pathname", 1);
        }
        break;
      case "authority":
        if (is(at, "@")) rewind("username");
        else if (is(at, "/") || isSearch() || is(at, "#")) rewind("hostname");
        break;
      case "username":
        if (is(at, ":")) change("password", 1);
        else if (is(at, "@")) change("hostname", 1);
        break;
      case "password":
        if (is(at, "@")) change("hostname", 1);
        break;
      case "hostname":
        if (is(at, "[")) brackets++;
        else if (is(at, "]")) brackets--;
        else if (is(at, ":") && brackets === 0) change("port", 1);
        else if (is(at, "/")) change("pathname", 0);
        else if (isSearch()) change("search", 1);
        else if (is(at, "#")) change("hash", 1);
        break;
      case "port":
        if (is(at, "/")) change("pathname", 0);
        else if (isSearch()) change("search", 1);
        else if (is(at, "#")) change("hash", 1);
        break;
      case "pathname":
        if (isSearch()) change("search", 1);
        else if (is(at, "#")) change("hash", 1);
        break;
      case "search":
        if (is(at, "#")) change("hash", 1);
        break;
    }
  }
  if (result.hostname !== undefined && result.port === undefined) result.port = "";
  return result;
}

// --- URLPatternInit: a null-prototype object with those of its members that there are.

function readInit(input) {
  const init = { __proto__: null };
  const base = input.baseURL;
  if (base !== undefined) init.baseURL = toWellFormed(`${base}`);
  // A dictionary's members are read in the order of their names.
  const names = ["hash", "hostname", "password", "pathname", "port", "protocol", "search", "username"];
  for (let i = 0; i < names.length; i++) {
    const v = input[names[i]];
    if (v !== undefined) init[names[i]] = toWellFormed(`${v}`);
  }
  return init;
}

function isAbsolutePath(input, pattern) {
  if (input === "") return false;
  if (input[0] === "/") return true;
  return pattern && input.length >= 2 && (input[0] === "\\" || input[0] === "{") && input[1] === "/";
}

// processInit completes what init says with its base URL, and with "" where a URL is meant rather than a pattern.
function processInit(init, pattern) {
  const result = { __proto__: null };
  if (!pattern) for (let i = 0; i < components.length; i++) result[components[i]] = "";
  const inherited = pattern ? escapePattern : (v) => v;
  let base = null;
  if (init.baseURL !== undefined) {
    base = urlComponents(init.baseURL, undefined);
    if (base === null) throw badPattern(`"${init.baseURL}" is no valid base URL`);
    const lacks = (...names) => {
      for (let i = 0; i < names.length; i++) if (init[names[i]] !== undefined) return false;
      return true;
    };
    if (lacks("protocol")) result.protocol = inherited(base.protocol);
    if (!pattern && lacks("protocol", "hostname", "port", "username")) result.username = base.username;
    if (!pattern && lacks("protocol", "hostname", "port", "username", "password")) result.password = base.password;
    if (lacks("protocol", "hostname")) result.hostname = inherited(base.hostname);
    if (lacks("protocol", "hostname", "port")) result.port = base.port;
    if (lacks("protocol", "hostname", "port", "pathname")) result.pathname = inherited(base.pathname);
    if (lacks("protocol", "hostname", "port", "pathname", "search")) result.search = inherited(base.search);
    if (lacks("protocol", "hostname", "port", "pathname", "search", "hash")) result.hash = inherited(base.hash);
  }
  const set = (name, value, encoding = name, protocol = "") => {
    result[name] = pattern ? value : canonical(encoding, value, protocol);
  };
  if (init.protocol !== undefined) set("protocol", slice(init.protocol, -1) === ":" ? slice(init.protocol, 0, -1) : init.protocol);
  if (init.username !== undefined) set("username", init.username);
  if (init.password !== undefined) set("password", init.password);
  if (init.hostname !== undefined) set("hostname", init.hostname);
  const protocol = result.protocol ?? "";
  if (init.port !== undefined) set("port", init.port, "port", protocol);
  if (init.pathname !== undefined) {
    let path = init.pathname;
    if (base !== null && !base.opaque && !isAbsolutePath(path, pattern)) {
      const basePath = inherited(base.pathname);
      let end = basePath.length;
      while (end > 0 && basePath[end - 1] !== "/") end--;
      path = slice(basePath, 0, end) + path;
    }
    set("pathname", path, protocol === "" || specialPorts[protocol] !== undefined ? "pathname" : encodeOpaque);
  }
  if (init.search !== undefined) set("search", init.search[0] === "?" ? slice(init.search, 1) : init.search);
  if (init.hash !== undefined) set("hash", init.hash[0] === "#" ? slice(init.hash, 1) : init.hash);
  return result;
}

// urlComponents is a URL taken apart as patterns see it: without the separators of its parts. null if it is none.
function urlComponents(url, base) {
  const p = host.urlWhole(url, base);
  if (p === null) return null;
  // The order of urlParts: href, protocol, username, password, hostname, port, pathname, search, hash.
  return {
    __proto__: null, protocol: slice(p[1], 0, -1), username: p[2], password: p[3], hostname: p[4], port: p[5], pathname: p[6], search: slice(p[7], 1), hash: slice(p[8], 1),
    opaque: p[6] !== "" && p[6][0] !== "/",
  };
}

class URLPattern {
  #parts = { __proto__: null };
  #hasRegExpGroups = false;
  constructor(input = {}, baseURL = undefined, options = undefined) {
    if (typeof baseURL === "object" || typeof baseURL === "function") {
      // The second form: new URLPattern(input, options).
      options = baseURL;
      baseURL = undefined;
    }
    let init;
    if (input === null || typeof input === "object" || typeof input === "function") {
      if (baseURL !== undefined) throw badPattern("a base URL goes into the object of components, as baseURL");
      init = readInit(input ?? {});
    } else {
      const text = toWellFormed(`${input}`);
      init = parseConstructorString(text);
      if (baseURL !== undefined) init.baseURL = toWellFormed(`${baseURL}`);
      else if (init.protocol === undefined) throw badPattern(`the pattern "${text}" is relative, and needs a base URL`);
    }
    const ignoreCase = options !== undefined && options !== null && !!options.ignoreCase;
    const given = processInit(init, true);
    for (let i = 0; i < components.length; i++) given[components[i]] ??= "*";
    if (specialPorts[given.protocol] !== undefined && given.port === specialPorts[given.protocol]) given.port = "";
    const parts = this.#parts;
    parts.protocol = compile(given.protocol, "protocol", plainOptions, false);
    parts.username = compile(given.username, "username", plainOptions, false);
    parts.password = compile(given.password, "password", plainOptions, false);
    parts.hostname = compile(given.hostname, isIPv6Pattern(given.hostname) ? encodeIPv6 : "hostname", hostOptions, false);
    parts.port = compile(given.port, "port", plainOptions, false);
    if (matchesSpecialScheme(parts.protocol)) parts.pathname = compile(given.pathname, "pathname", pathOptions, ignoreCase);
    else parts.pathname = compile(given.pathname, encodeOpaque, plainOptions, ignoreCase);
    parts.search = compile(given.search, "search", plainOptions, ignoreCase);
    parts.hash = compile(given.hash, "hash", plainOptions, ignoreCase);
    for (let i = 0; i < components.length; i++) if (parts[components[i]].hasGroups) this.#hasRegExpGroups = true;
  }
  get protocol() {
    return this.#parts.protocol.pattern;
  }
  get username() {
    return this.#parts.username.pattern;
  }
  get password() {
    return this.#parts.password.pattern;
  }
  get hostname() {
    return this.#parts.hostname.pattern;
  }
  get port() {
    return this.#parts.port.pattern;
  }
  get pathname() {
    return this.#parts.pathname.pattern;
  }
  get search() {
    return this.#parts.search.pattern;
  }
  get hash() {
    return this.#parts.hash.pattern;
  }
  get hasRegExpGroups() {
    return this.#hasRegExpGroups;
  }
  test(input = {}, baseURL = undefined) {
    return URLPattern.#match(this, input, baseURL, false) !== null;
  }
  exec(input = {}, baseURL = undefined) {
    return URLPattern.#match(this, input, baseURL, true);
  }
  static #match(pattern, input, baseURL, wanted) {
    const parts = pattern.#parts;
    const inputs = [];
    let url;
    if (input === null || typeof input === "object" || typeof input === "function") {
      const init = readInit(input ?? {});
      if (baseURL !== undefined) throw badPattern("a base URL goes into the object of components, as baseURL");
      const shown = {};
      for (let i = 0; i < components.length; i++) if (init[components[i]] !== undefined) shown[components[i]] = init[components[i]];
      if (init.baseURL !== undefined) shown.baseURL = init.baseURL;
      push(inputs, shown);
      try {
        url = processInit(init, false);
      } catch {
        return null; // what is no URL matches nothing
      }
    } else {
      const text = toWellFormed(`${input}`);
      push(inputs, text);
      if (baseURL !== undefined) {
        baseURL = toWellFormed(`${baseURL}`);
        push(inputs, baseURL);
      }
      url = urlComponents(text, baseURL);
      if (url === null) return null;
    }
    const result = { inputs };
    for (let i = 0; i < components.length; i++) {
      const name = components[i];
      const m = regexExec(parts[name].regexp, url[name]);
      if (m === null) return null;
      if (!wanted) continue;
      const groups = {};
      const { names } = parts[name];
      for (let g = 0; g < names.length; g++) setOwn(groups, names[g], m[g + 1]);
      result[name] = { input: url[name], groups };
    }
    return result;
  }
}
webClass(URLPattern, "URLPattern");
