// node:string_decoder: text out of bytes that come in pieces.

const { isView, slice, invalidArg, nodeError, TypeErrorCtor, charCode } = kit;
const { Buffer } = need("buffer");

function encodingOf(encoding) {
  const names = { __proto__: null, utf8: "utf8", "utf-8": "utf8", ucs2: "utf16le", "ucs-2": "utf16le", utf16le: "utf16le", "utf-16le": "utf16le", latin1: "latin1", binary: "latin1", base64: "base64", base64url: "base64url", ascii: "ascii", hex: "hex" };
  if (encoding === undefined || encoding === null || encoding === "") return "utf8";
  const name = names[`${encoding}`.toLowerCase()];
  if (name === undefined) throw nodeError(TypeErrorCtor, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${encoding}`);
  return name;
}

// utf8Tail is how many bytes at the end begin a character that is not whole.
function utf8Tail(b) {
  for (let back = 1; back <= 3 && back <= b.length; back++) {
    const c = b[b.length - back];
    if (c < 0x80) return 0;
    if (c >= 0xc0) {
      const size = c >= 0xf5 || c < 0xc2 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
      if (size <= back) return 0;
      if (back >= 2) {
        const second = b[b.length - back + 1];
        if ((c === 0xe0 && second < 0xa0) || (c === 0xed && second > 0x9f) || (c === 0xf0 && second < 0x90) || (c === 0xf4 && second > 0x8f)) return 0;
      }
      return back;
    }
  }
  return 0;
}

class StringDecoder {
  #kept = Buffer.alloc(0);
  constructor(encoding = undefined) {
    this.encoding = encodingOf(encoding);
  }
  get lastNeed() {
    const n = this.#kept.length;
    if (n === 0) return 0;
    switch (this.encoding) {
      case "utf8": {
        const c = this.#kept[0];
        return (c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2) - n;
      }
      case "utf16le":
        return n >= 2 ? 4 - n : 2 - n;
      default:
        return 3 - n;
    }
  }
  get lastTotal() {
    return this.#kept.length + this.lastNeed;
  }
  get lastChar() {
    return Buffer.from(this.#kept);
  }
  write(bytes) {
    if (typeof bytes === "string") return bytes;
    if (!isView(bytes)) throw invalidArg("buf", "an instance of Buffer, TypedArray, or DataView", bytes);
    let b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#kept.length > 0) b = Buffer.concat([this.#kept, b]);
    let keep = 0;
    switch (this.encoding) {
      case "utf8":
        keep = utf8Tail(b);
        break;
      case "utf16le":
        keep = b.length % 2;
        if (b.length - keep >= 2) {
          const high = b[b.length - keep - 1];
          if (high >= 0xd8 && high <= 0xdb) keep += 2;
        }
        break;
      case "base64":
      case "base64url":
        keep = b.length % 3;
    }
    this.#kept = Buffer.from(b.subarray(b.length - keep));
    return b.toString(this.encoding, 0, b.length - keep);
  }
  end(bytes = undefined) {
    let out = bytes === undefined ? "" : this.write(bytes);
    if (this.#kept.length > 0) {
      out += this.encoding === "utf8" ? "\ufffd" : this.#kept.toString(this.encoding);
      this.#kept = Buffer.alloc(0);
    }
    return out;
  }
  text(bytes, offset) {
    this.#kept = Buffer.alloc(0);
    return this.write(bytes.slice(offset));
  }
}

return { StringDecoder };
