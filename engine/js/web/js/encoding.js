// TextEncoder, TextDecoder, atob and btoa over the host's codecs.

class TextEncoder {
  #encoding = "utf-8";
  get encoding() {
    return this.#encoding;
  }
  encode(input = "") {
    void this.#encoding;
    return host.utf8Encode(`${input}`);
  }
  encodeInto(source, destination) {
    void this.#encoding;
    source = `${source}`;
    if (typedTag(destination) !== "Uint8Array") {
      throw new TypeErrorCtor("TextEncoder.encodeInto: the destination must be a Uint8Array");
    }
    // read and written are packed in one number: written + read * 2^26 (both are below 2^26 a call's buffer at
    // a time, because the host stops there and the caller sees a short read).
    const n = host.utf8EncodeInto(source, destination);
    const written = n % 67108864;
    return { read: (n - written) / 67108864, written };
  }
}
webClass(TextEncoder, "TextEncoder");

const sharedByteLength = uncurry(getOwnPropertyDescriptor(SharedArrayBuffer.prototype, "byteLength").get);

// sharedBytesOf is bytesOf for a SharedArrayBuffer, which few operations take.
function sharedBytesOf(v) {
  try {
    sharedByteLength(v);
    return new U8(v);
  } catch {
    return null;
  }
}

// sourceBytes is bytesOf for a buffer that may be detached, which the Encoding standard takes for one of no bytes.
function sourceBytes(v) {
  try {
    return bytesOf(v);
  } catch {
    return new U8(0);
  }
}

class TextDecoder {
  #encoding;
  #fatal;
  #ignoreBOM;
  // The unread bytes of a stream: null between streams. Its first byte says whether a BOM may still come.
  #pending = null;
  constructor(label = "utf-8", options = undefined) {
    const encoding = label === "utf-8" ? label : host.encodingOf(`${label}`);
    if (encoding === null) throw new RangeErrorCtor(`"${label}" is not an encoding that TextDecoder knows`);
    this.#encoding = encoding;
    this.#fatal = options != null && !!options.fatal;
    this.#ignoreBOM = options != null && !!options.ignoreBOM;
  }
  get encoding() {
    return this.#encoding;
  }
  get fatal() {
    return this.#fatal;
  }
  get ignoreBOM() {
    return this.#ignoreBOM;
  }
  decode(input = undefined, options = undefined) {
    const fatal = this.#fatal;
    const stream = options != null && !!options.stream;
    let bytes = null;
    if (input !== undefined) {
      bytes = sourceBytes(input) ?? sharedBytesOf(input);
      if (bytes === null) throw new TypeErrorCtor(`TextDecoder.decode: the input must be an ArrayBuffer or a view of one, not ${typeName(input)}`);
    }
    const flags = (fatal ? 1 : 0) | (this.#ignoreBOM ? 2 : 0) | (stream ? 4 : 0);
    if (!stream && this.#pending === null) {
      if (bytes === null) return "";
      const text = host.decode(this.#encoding, flags, bytes, null);
      if (text === null) throw new TypeErrorCtor(`TextDecoder.decode: the data is not valid ${this.#encoding}`);
      return text;
    }
    const out = host.decode(this.#encoding, flags | 8, bytes, this.#pending);
    this.#pending = null;
    if (out === null) throw new TypeErrorCtor(`TextDecoder.decode: the data is not valid ${this.#encoding}`);
    if (stream) this.#pending = out[1];
    return out[0];
  }
}
webClass(TextDecoder, "TextDecoder");

function atob(data) {
  if (arguments.length === 0) throw new TypeErrorCtor("atob needs an argument");
  const out = host.atob(`${data}`);
  if (out === null) throw new DOMException("atob() called with invalid base64-encoded data. (Only whitespace, '+', '/', alphanumeric ASCII, and up to two terminal '=' signs when the input data length is divisible by 4 are allowed.)", "InvalidCharacterError");
  return out;
}

function btoa(data) {
  if (arguments.length === 0) throw new TypeErrorCtor("btoa needs an argument");
  const out = host.btoa(`${data}`);
  if (out === null) throw new DOMException("btoa() can only operate on characters in the Latin1 (ISO/IEC 8859-1) range.", "InvalidCharacterError");
  return out;
}

// For TextDecoderStream, which comes when a program may have replaced them.
const decodeWith = uncurry(TextDecoder.prototype.decode);
const encodingName = uncurry(getOwnPropertyDescriptor(TextDecoder.prototype, "encoding").get);
