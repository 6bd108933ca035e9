// node:crypto, as much of it as Workers commonly use. Nothing here is made before a program imports the module.

function nodeCrypto() {
  // Bytes stands for Node's Buffer in what the module returns: a Uint8Array whose toString knows encodings.
  class Bytes extends U8 {
    toString(encoding = "utf8") {
      return encoded(this, encoding);
    }
    equals(other) {
      return isBufferSource(other) && bytesIn(other) === bytesIn(this) && host.timingSafeEqual(this, other);
    }
    static get [speciesSymbol]() {
      return U8;
    }
  }

  function nodeError(Ctor, code, message) {
    const e = new Ctor(message);
    hide(e, "code", code);
    return e;
  }

  function badType(name, expected, v) {
    return nodeError(TypeErrorCtor, "ERR_INVALID_ARG_TYPE", `The "${name}" argument must be ${expected}. Received ${v === null || v === undefined ? v : `type ${typeName(v)}`}`);
  }

  function outOfRange(name, range, v) {
    return nodeError(RangeErrorCtor, "ERR_OUT_OF_RANGE", `The value of "${name}" is out of range. It must be ${range}. Received ${StringOf(v)}`);
  }

  function encoded(bytes, encoding) {
    const text = host.nodeEncode(bytes, `${encoding}`);
    if (text === null) throw nodeError(TypeErrorCtor, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${encoding}`);
    return text;
  }

  // input is the bytes of a string or BufferSource.
  function input(v, name, encoding = "utf8") {
    if (typeof v === "string") {
      const bytes = host.nodeDecode(v, encoding === null || encoding === "buffer" ? "utf8" : `${encoding}`);
      if (bytes === null) throw nodeError(TypeErrorCtor, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${encoding}`);
      return bytes;
    }
    if (!isBufferSource(v)) throw badType(name, "of type string or an instance of ArrayBuffer, Buffer, TypedArray, or DataView", v);
    return v;
  }

  function output(buffer, encoding) {
    if (encoding === undefined || encoding === null || encoding === "buffer") return new Bytes(buffer);
    return encoded(buffer, encoding);
  }

  function whole(v, name, least, most) {
    if (typeof v !== "number") throw badType(name, "of type number", v);
    if (floor(v) !== v) throw outOfRange(name, "an integer", v);
    if (v < least || v > most) throw outOfRange(name, `>= ${least} && <= ${most}`, v);
    return v;
  }

  function callbackArg(f) {
    if (typeof f !== "function") throw badType("callback", "of type function", f);
    return f;
  }

  const finalized = () => nodeError(ErrorCtor, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");

  class Hash {
    #state; // null once the digest was asked for
    constructor(key, state) {
      if (key !== internal) throw illegalConstructor();
      this.#state = state;
    }
    update(data, inputEncoding = undefined) {
      if (this.#state === null) throw finalized();
      host.nodeUpdate(this.#state, input(data, "data", inputEncoding));
      return this;
    }
    digest(encoding = undefined) {
      if (this.#state === null) throw finalized();
      const out = output(host.nodeSum(this.#state), encoding);
      this.#state = null;
      return out;
    }
    copy() {
      if (this.#state === null) throw finalized();
      return new Hash(internal, host.nodeCopy(this.#state));
    }
  }

  class Hmac {
    #state;
    constructor(key, state) {
      if (key !== internal) throw illegalConstructor();
      this.#state = state;
    }
    update(data, inputEncoding = undefined) {
      if (this.#state === null) throw finalized();
      host.nodeUpdate(this.#state, input(data, "data", inputEncoding));
      return this;
    }
    digest(encoding = undefined) {
      // Node gives nothing the second time, for an Hmac.
      if (this.#state === null) return encoding === undefined || encoding === "buffer" ? new Bytes(0) : "";
      const out = output(host.nodeSum(this.#state), encoding);
      this.#state = null;
      return out;
    }
  }

  function createHash(algorithm) {
    if (typeof algorithm !== "string") throw badType("algorithm", "of type string", algorithm);
    const state = host.nodeHash(algorithm, undefined);
    if (state === null) throw new ErrorCtor("Digest method not supported");
    return new Hash(internal, state);
  }

  function badDigest(name) {
    return nodeError(TypeErrorCtor, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${name}`);
  }

  function createHmac(algorithm, key) {
    if (typeof algorithm !== "string") throw badType("hmac", "of type string", algorithm);
    const state = host.nodeHash(algorithm, input(key, "key"));
    if (state === null) throw badDigest(algorithm);
    return new Hmac(internal, state);
  }

  function hash(algorithm, data, outputEncoding = "hex") {
    return createHash(algorithm).update(data).digest(outputEncoding);
  }

  function derive(password, salt, iterations, keylen, digest, sync) {
    password = input(password, "password");
    salt = input(salt, "salt");
    whole(iterations, "iterations", 1, 2147483647);
    whole(keylen, "keylen", 0, 2147483647);
    if (typeof digest !== "string") throw badType("digest", "of type string", digest);
    const v = host.nodePBKDF2(password, salt, iterations, keylen, digest, sync);
    if (v === null) throw badDigest(digest);
    return v;
  }

  function pbkdf2Sync(password, salt, iterations, keylen, digest) {
    return new Bytes(derive(password, salt, iterations, keylen, digest, true));
  }

  function pbkdf2(password, salt, iterations, keylen, digest, callback) {
    callbackArg(callback);
    promiseThen(
      derive(password, salt, iterations, keylen, digest, false),
      (key) => queueMicrotask(() => callback(null, new Bytes(key))),
      (e) => queueMicrotask(() => callback(e)),
    );
  }

  function randomBytes(size, callback = undefined) {
    if (callback !== undefined) callbackArg(callback);
    const bytes = new Bytes(whole(size, "size", 0, 2147483647));
    host.randomFill(bytes);
    if (callback === undefined) return bytes;
    queueMicrotask(() => callback(null, bytes));
  }

  function randomFillSync(buffer, offset = 0, size = undefined) {
    if (!isBufferSource(buffer)) throw badType("buf", "an instance of ArrayBuffer, Buffer, TypedArray, or DataView", buffer);
    const bytes = bytesIn(buffer) === 0 ? new U8(0) : bytesOf(buffer);
    const n = typedByteLength(bytes);
    whole(offset, "offset", 0, n);
    size = size === undefined ? n - offset : whole(size, "size", 0, n - offset);
    if (size > 0) host.randomFill(new U8(typedBuffer(bytes), typedByteOffset(bytes) + offset, size));
    return buffer;
  }

  function randomInt(min, max = undefined, callback = undefined) {
    if (max === undefined || typeof max === "function") {
      callback = max;
      max = min;
      min = 0;
    }
    if (callback !== undefined) callbackArg(callback);
    if (!isSafeInteger(min)) throw badType("min", "a safe integer", min);
    if (!isSafeInteger(max)) throw badType("max", "a safe integer", max);
    if (max <= min) throw outOfRange("max", `greater than the value of "min" (${min})`, max);
    if (max - min > 281474976710655) throw outOfRange("max - min", "<= 281474976710655", max - min);
    const n = min + host.nodeRandom(max - min);
    if (callback === undefined) return n;
    queueMicrotask(() => callback(null, n));
  }

  function timingSafeEqual(a, b) {
    if (!isBufferSource(a)) throw badType("buf1", "an instance of ArrayBuffer, Buffer, TypedArray, or DataView", a);
    if (!isBufferSource(b)) throw badType("buf2", "an instance of ArrayBuffer, Buffer, TypedArray, or DataView", b);
    if (bytesIn(a) !== bytesIn(b)) throw nodeError(RangeErrorCtor, "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH", "Input buffers must have the same byte length");
    return host.timingSafeEqual(a, b);
  }

  const exports = {
    Hash, Hmac, createHash, createHmac,
    getHashes: () => ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512-224", "sha512-256"],
    getRandomValues: (array) => theCrypto.getRandomValues(array),
    hash, pbkdf2, pbkdf2Sync, randomBytes, randomFillSync, randomInt,
    randomUUID: () => theCrypto.randomUUID(),
    subtle: theCrypto.subtle,
    timingSafeEqual,
    webcrypto: theCrypto,
  };
  return { __proto__: null, ...exports, default: exports };
}
