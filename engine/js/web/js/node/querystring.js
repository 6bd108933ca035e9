// node:querystring

const { slice, charCode, strIndexOf, strSplit, isArray, objectKeys, push, ErrorCtor, StringOf } = kit;
const { Buffer } = need("buffer");
const encodeURIComponentOf = encodeURIComponent;
const decodeURIComponentOf = decodeURIComponent;

function escape(text) {
  if (typeof text !== "string") {
    if (typeof text === "object") text = StringOf(text);
    else text += "";
  }
  try {
    return encodeURIComponentOf(text);
  } catch {
    const e = new URIError("URI malformed");
    e.code = "ERR_INVALID_URI";
    throw e;
  }
}

const hexDigit = (c) => (c >= 48 && c <= 57 ? c - 48 : c >= 65 && c <= 70 ? c - 55 : c >= 97 && c <= 102 ? c - 87 : -1);

function unescapeBuffer(text, plus = false) {
  const bytes = Buffer.from(text);
  const out = Buffer.alloc(bytes.length);
  let n = 0;
  for (let i = 0; i < bytes.length; i++) {
    let c = bytes[i];
    if (c === 43 && plus) c = 32;
    else if (c === 37 && i + 2 < bytes.length) {
      const a = hexDigit(bytes[i + 1]), b = hexDigit(bytes[i + 2]);
      if (a >= 0 && b >= 0) {
        c = a * 16 + b;
        i += 2;
      }
    }
    out[n++] = c;
  }
  return out.subarray(0, n);
}

function unescape(text, plus) {
  try {
    return decodeURIComponentOf(text);
  } catch {
    return unescapeBuffer(text, plus).toString();
  }
}

function primitive(v) {
  if (typeof v === "string") return v;
  if (typeof v === "number" && v - v === 0) return `${v}`;
  if (typeof v === "bigint") return `${v}`;
  if (typeof v === "boolean") return v ? "true" : "false";
  return "";
}

function stringify(object, separator = "&", equals = "=", options = undefined) {
  separator ||= "&";
  equals ||= "=";
  let encode = exports.escape;
  if (options && typeof options.encodeURIComponent === "function") encode = options.encodeURIComponent;
  if (object === null || typeof object !== "object") return "";
  const keys = objectKeys(object);
  let out = "";
  for (let i = 0; i < keys.length; i++) {
    const key = `${encode(primitive(keys[i]))}${equals}`;
    const v = object[keys[i]];
    const values = isArray(v) ? v : [v];
    for (let k = 0; k < values.length; k++) {
      if (out !== "") out += separator;
      out += key + encode(primitive(values[k]));
    }
  }
  return out;
}

function parse(text, separator = "&", equals = "=", options = undefined) {
  const out = { __proto__: null };
  if (typeof text !== "string" || text.length === 0) return out;
  separator = separator ? `${separator}` : "&";
  equals = equals ? `${equals}` : "=";
  let most = 1000;
  if (options && typeof options.maxKeys === "number") most = options.maxKeys;
  const own = options && typeof options.decodeURIComponent === "function" ? options.decodeURIComponent : exports.unescape;
  const decode = (s) => {
    let plain = "";
    for (let i = 0; i < s.length; i++) plain += s[i] === "+" ? (own === unescape ? " " : "%20") : s[i];
    if (own === unescape && strIndexOf(plain, "%") < 0) return plain;
    try {
      return own(plain);
    } catch {
      return unescape(plain);
    }
  };
  const parts = strSplit(text, separator);
  let pairs = 0;
  for (let i = 0; i < parts.length; i++) {
    if (parts[i] === "") continue;
    if (most > 0 && pairs >= most) break;
    pairs++;
    const at = strIndexOf(parts[i], equals);
    const key = decode(at < 0 ? parts[i] : slice(parts[i], 0, at));
    const value = at < 0 ? "" : decode(slice(parts[i], at + equals.length));
    if (!(key in out)) out[key] = value;
    else if (isArray(out[key])) push(out[key], value);
    else out[key] = [out[key], value];
  }
  return out;
}

const exports = { unescapeBuffer, unescape, escape, stringify, encode: stringify, parse, decode: parse };
return exports;
