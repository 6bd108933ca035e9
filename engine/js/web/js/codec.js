// TextEncoderStream, TextDecoderStream, CompressionStream and DecompressionStream. The codecs of the last two are Go.

// A class over a transform of the prelude's own: it has the two sides and no more.

class TextEncoderStream {
  #t;
  constructor() {
    let high = ""; // the first half of a character whose second may come with the next chunk
    this.#t = transformWith(
      (chunk, t) => {
        let text = `${chunk}`;
        if (high !== "") {
          text = high + text;
          high = "";
        }
        const last = text.length === 0 ? 0 : charCode(text, text.length - 1);
        if (last >= 0xd800 && last < 0xdc00) {
          high = slice(text, text.length - 1);
          text = slice(text, 0, text.length - 1);
        }
        if (text !== "") transformEnqueue(t, host.utf8Encode(text));
      },
      (t) => {
        if (high !== "") transformEnqueue(t, host.utf8Encode(high));
      },
    );
  }
  get encoding() {
    void this.#t;
    return "utf-8";
  }
  get readable() {
    return readableObject(this.#t.readable);
  }
  get writable() {
    return writableObject(this.#t.writable);
  }
}
webClass(TextEncoderStream, "TextEncoderStream");

const streaming = freeze({ __proto__: null, stream: true });

class TextDecoderStream {
  #t;
  #decoder;
  #fatal;
  #ignoreBOM;
  constructor(label = "utf-8", options = undefined) {
    const o = dictionary(options, "TextDecoderStream: the options");
    const fatal = !!o.fatal;
    const ignoreBOM = !!o.ignoreBOM;
    const decoder = new TextDecoder(label, { __proto__: null, fatal, ignoreBOM });
    this.#decoder = decoder;
    this.#fatal = fatal;
    this.#ignoreBOM = ignoreBOM;
    this.#t = transformWith(
      (chunk, t) => {
        if (sourceBytes(chunk) === null) throw new TypeErrorCtor(`TextDecoderStream: a chunk must be an ArrayBuffer or a view of one, not ${typeName(chunk)}`);
        const text = decodeWith(decoder, chunk, streaming);
        if (text !== "") transformEnqueue(t, text);
      },
      (t) => {
        const text = decodeWith(decoder);
        if (text !== "") transformEnqueue(t, text);
      },
    );
  }
  get encoding() {
    return encodingName(this.#decoder);
  }
  get fatal() {
    return this.#fatal;
  }
  get ignoreBOM() {
    return this.#ignoreBOM;
  }
  get readable() {
    return readableObject(this.#t.readable);
  }
  get writable() {
    return writableObject(this.#t.writable);
  }
}
webClass(TextDecoderStream, "TextDecoderStream");

const compressionFormats = { __proto__: null, gzip: 0, deflate: 1, "deflate-raw": 2 };

// codecTransform is a transform through a codec of the host. The codec gives its output a piece at a time, and the next one is
// asked for when there is room: a few bytes can be the compressed form of gigabytes.
function codecTransform(what, format, decompress) {
  format = `${format}`;
  const number = compressionFormats[format];
  if (number === undefined) throw new TypeErrorCtor(`${what}: the format must be "gzip", "deflate" or "deflate-raw", not ${jsonStringify(format)}`);
  const codec = host.codecOpen(number, decompress);
  const drain = (t, over) => {
    for (let out = host.codecNext(codec); out !== null; ) {
      transformEnqueue(t, out);
      // Whether that was all must be known before there is room for more, or the write would wait for a read that nobody owes it.
      out = host.codecNext(codec);
      if (out !== null && t.backpressure) {
        const next = out;
        return chained(t.change, () => {
          if (t.readable.state !== isReadable) return undefined;
          transformEnqueue(t, next);
          return drain(t, over);
        });
      }
    }
    return over();
  };
  return transformWith(
    (chunk, t) => {
      const bytes = bytesOf(chunk);
      if (bytes === null) throw new TypeErrorCtor(`${what}: a chunk must be an ArrayBuffer or a view of one, not ${typeName(chunk)}`);
      host.codecWrite(codec, bytes);
      return drain(t, noop);
    },
    (t) => {
      host.codecEnd(codec);
      return drain(t, () => host.codecClose(codec));
    },
    () => host.codecClose(codec),
  );
}

class CompressionStream {
  #t;
  constructor(format) {
    this.#t = codecTransform("CompressionStream", format, false);
  }
  get readable() {
    return readableObject(this.#t.readable);
  }
  get writable() {
    return writableObject(this.#t.writable);
  }
}
webClass(CompressionStream, "CompressionStream");

class DecompressionStream {
  #t;
  constructor(format) {
    this.#t = codecTransform("DecompressionStream", format, true);
  }
  get readable() {
    return readableObject(this.#t.readable);
  }
  get writable() {
    return writableObject(this.#t.writable);
  }
}
webClass(DecompressionStream, "DecompressionStream");
