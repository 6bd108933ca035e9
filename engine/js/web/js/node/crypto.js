// node:crypto, as much of it as Workers commonly use.

const {
  host, ErrorCtor, TypeErrorCtor, RangeErrorCtor, StringOf, U8, isSafeInteger, promiseThen, typedBuffer, typedByteOffset, typedByteLength, internal, illegalConstructor, bytesOf,
  isBufferSource, bytesIn, queueMicrotask, theCrypto, nodeError, invalidArg, outOfRange, needFunction, needWhole, hide,
} = kit;
const { Buffer } = need("buffer");

function encoded(bytes, encoding) {
  return Buffer.from(bytes).toString(`${encoding}`);
}

// input is the bytes of a string or BufferSource.
function input(v, name, encoding = "utf8") {
  if (typeof v === "string") {
    return Buffer.from(v, encoding === null || encoding === "buffer" ? "utf8" : `${encoding}`);
  }
  if (!isBufferSource(v)) throw invalidArg(name, "of type string or an instance of ArrayBuffer, Buffer, TypedArray, or DataView", v);
  return v;
}

function output(buffer, encoding) {
  if (encoding === undefined || encoding === null || encoding === "buffer") return Buffer.from(buffer);
  return encoded(buffer, encoding);
}

function callbackArg(f) {
  return needFunction(f, "callback");
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
    if (this.#state === null) return encoding === undefined || encoding === "buffer" ? Buffer.alloc(0) : "";
    const out = output(host.nodeSum(this.#state), encoding);
    this.#state = null;
    return out;
  }
}

function createHash(algorithm) {
  if (typeof algorithm !== "string") throw invalidArg("algorithm", "of type string", algorithm);
  const state = host.nodeHash(algorithm, undefined);
  if (state === null) throw new ErrorCtor("Digest method not supported");
  return new Hash(internal, state);
}

function badDigest(name) {
  return nodeError(TypeErrorCtor, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${name}`);
}

function createHmac(algorithm, key) {
  if (typeof algorithm !== "string") throw invalidArg("hmac", "of type string", algorithm);
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
  needWhole(iterations, "iterations", 1, 2147483647);
  needWhole(keylen, "keylen", 0, 2147483647);
  if (typeof digest !== "string") throw invalidArg("digest", "of type string", digest);
  const v = host.nodePBKDF2(password, salt, iterations, keylen, digest, sync);
  if (v === null) throw badDigest(digest);
  return v;
}

function pbkdf2Sync(password, salt, iterations, keylen, digest) {
  return Buffer.from(derive(password, salt, iterations, keylen, digest, true));
}

function pbkdf2(password, salt, iterations, keylen, digest, callback) {
  callbackArg(callback);
  promiseThen(
    derive(password, salt, iterations, keylen, digest, false),
    (key) => queueMicrotask(() => callback(null, Buffer.from(key))),
    (e) => queueMicrotask(() => callback(e)),
  );
}

function randomBytes(size, callback = undefined) {
  if (callback !== undefined) callbackArg(callback);
  const bytes = Buffer.alloc(needWhole(size, "size", 0, 2147483647));
  host.randomFill(bytes);
  if (callback === undefined) return bytes;
  queueMicrotask(() => callback(null, bytes));
}

function randomFillSync(buffer, offset = 0, size = undefined) {
  if (!isBufferSource(buffer)) throw invalidArg("buf", "an instance of ArrayBuffer, Buffer, TypedArray, or DataView", buffer);
  const bytes = bytesIn(buffer) === 0 ? new U8(0) : bytesOf(buffer);
  const n = typedByteLength(bytes);
  needWhole(offset, "offset", 0, n);
  size = size === undefined ? n - offset : needWhole(size, "size", 0, n - offset);
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
  if (!isSafeInteger(min)) throw invalidArg("min", "a safe integer", min);
  if (!isSafeInteger(max)) throw invalidArg("max", "a safe integer", max);
  if (max <= min) throw outOfRange("max", `greater than the value of "min" (${min})`, max);
  if (max - min > 281474976710655) throw outOfRange("max - min", "<= 281474976710655", max - min);
  const n = min + host.nodeRandom(max - min);
  if (callback === undefined) return n;
  queueMicrotask(() => callback(null, n));
}

function timingSafeEqual(a, b) {
  if (!isBufferSource(a)) throw invalidArg("buf1", "an instance of ArrayBuffer, Buffer, TypedArray, or DataView", a);
  if (!isBufferSource(b)) throw invalidArg("buf2", "an instance of ArrayBuffer, Buffer, TypedArray, or DataView", b);
  if (bytesIn(a) !== bytesIn(b)) throw nodeError(RangeErrorCtor, "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH", "Input buffers must have the same byte length");
  return host.timingSafeEqual(a, b);
}

// --- Ciphers: AES in the modes that programs use

const cipherNames = /^(?:aes-?|id-aes)(128|192|256)-(gcm|cbc|ctr)$/i;

class Cipheriv {
  #state;
  #encrypt;
  #gcm;
  #padding = true;
  #more = [];
  #tag = null;
  #tagLength;
  constructor(key, encrypt, name, secret, iv, options) {
    if (key !== internal) throw illegalConstructor();
    if (typeof name !== "string") throw invalidArg("cipher", "of type string", name);
    const m = kit.regexExec(cipherNames, name);
    if (m === null) throw nodeError(ErrorCtor, "ERR_CRYPTO_UNKNOWN_CIPHER", "Unknown cipher");
    const mode = m[2].toLowerCase();
    secret = input(secret, "key");
    if (iv === null || iv === undefined) throw nodeError(TypeErrorCtor, "ERR_CRYPTO_INVALID_IV", "Invalid initialization vector");
    iv = input(iv, "iv");
    if (bytesIn(secret) !== m[1] / 8) throw nodeError(RangeErrorCtor, "ERR_CRYPTO_INVALID_KEYLEN", "Invalid key length");
    this.#gcm = mode === "gcm";
    if (this.#gcm ? bytesIn(iv) === 0 : bytesIn(iv) !== 16) throw nodeError(TypeErrorCtor, "ERR_CRYPTO_INVALID_IV", "Invalid initialization vector");
    this.#tagLength = options?.authTagLength ?? 16;
    if (this.#gcm && this.#tagLength !== 16 && !(bytesIn(iv) === 12 && this.#tagLength >= 12 && this.#tagLength < 16)) {
      throw nodeError(TypeErrorCtor, "ERR_CRYPTO_INVALID_AUTH_TAG", `Invalid authentication tag length: ${this.#tagLength}`);
    }
    this.#encrypt = encrypt;
    this.#state = host.nodeCipher(mode, encrypt, secret, iv);
  }
  #open() {
    if (this.#state === null) throw nodeError(ErrorCtor, "ERR_CRYPTO_INVALID_STATE", "Unsupported state");
    return this.#state;
  }
  update(data, inputEncoding = undefined, outputEncoding = undefined) {
    return output(host.nodeCipherUpdate(this.#open(), input(data, "data", inputEncoding ?? "utf8")), outputEncoding);
  }
  final(outputEncoding = undefined) {
    const out = host.nodeCipherFinal(this.#open(), this.#padding, Buffer.concat(this.#more), this.#tag ?? Buffer.alloc(0), this.#tag === null ? this.#tagLength : this.#tag.length);
    this.#state = null;
    if (out === "tag") throw new ErrorCtor("Unsupported state or unable to authenticate data");
    if (out === "length") throw nodeError(ErrorCtor, "ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH", "error:1C80006B:Provider routines::wrong final block length");
    if (out === "padding") throw nodeError(ErrorCtor, "ERR_OSSL_BAD_DECRYPT", "error:1C800064:Provider routines::bad decrypt");
    if (this.#gcm) {
      if (this.#encrypt) this.#tag = Buffer.from(out);
      return output(new ArrayBuffer(0), outputEncoding);
    }
    return output(out, outputEncoding);
  }
  setAutoPadding(on = true) {
    this.#open();
    this.#padding = !!on;
    return this;
  }
  setAAD(data, options = undefined) {
    this.#open();
    this.#more[this.#more.length] = Buffer.from(input(data, "buffer", options?.encoding ?? "utf8"));
    return this;
  }
  getAuthTag() {
    if (!this.#encrypt || !this.#gcm || this.#state !== null) throw nodeError(ErrorCtor, "ERR_CRYPTO_INVALID_STATE", "Invalid state for operation getAuthTag");
    return Buffer.from(this.#tag);
  }
  setAuthTag(tag, encoding = undefined) {
    if (this.#encrypt || !this.#gcm) throw nodeError(ErrorCtor, "ERR_CRYPTO_INVALID_STATE", "Invalid state for operation setAuthTag");
    this.#open();
    tag = Buffer.from(input(tag, "buffer", encoding ?? "utf8"));
    if (tag.length !== this.#tagLength) throw nodeError(TypeErrorCtor, "ERR_CRYPTO_INVALID_AUTH_TAG", `Invalid authentication tag length: ${tag.length}`);
    this.#tag = tag;
    return this;
  }
}
hide(Cipheriv, "name", "Cipheriv");
class Decipheriv extends Cipheriv {}

const createCipheriv = (name, key, iv, options = undefined) => new Cipheriv(internal, true, name, key, iv, options);
const createDecipheriv = (name, key, iv, options = undefined) => new Decipheriv(internal, false, name, key, iv, options);

// --- More ways to make keys of secrets

function scryptWith(password, salt, keylen, options, sync) {
  password = input(password, "password");
  salt = input(salt, "salt");
  needWhole(keylen, "keylen", 0, 2147483647);
  const option = (long, short, otherwise) => {
    const v = options?.[long] ?? options?.[short];
    return v === undefined ? otherwise : needWhole(v, options[long] !== undefined ? long : short, 0, 4294967295);
  };
  const N = option("cost", "N", 16384), r = option("blockSize", "r", 8), p = option("parallelization", "p", 1);
  const memory = options?.maxmem ?? 33554432;
  const bad = (text) => nodeError(RangeErrorCtor, "ERR_CRYPTO_INVALID_SCRYPT_PARAMS", text);
  if (N < 2 || (N & (N - 1)) !== 0 || r === 0 || p === 0) throw bad("Invalid scrypt params");
  if (128 * N * r > memory) throw bad("Invalid scrypt params: memory limit exceeded");
  const out = host.nodeScrypt(password, salt, N, r, p, keylen, sync);
  if (out === null) throw bad("Invalid scrypt params: it would take more memory or time than a Worker may use");
  return out;
}

function scryptSync(password, salt, keylen, options = undefined) {
  return Buffer.from(scryptWith(password, salt, keylen, options, true));
}

function scrypt(password, salt, keylen, options, callback = undefined) {
  if (typeof options === "function") {
    callback = options;
    options = undefined;
  }
  callbackArg(callback);
  promiseThen(
    scryptWith(password, salt, keylen, options, false),
    (key) => queueMicrotask(() => callback(null, Buffer.from(key))),
    (e) => queueMicrotask(() => callback(e)),
  );
}

function hkdfSync(digest, key, salt, info, keylen) {
  if (typeof digest !== "string") throw invalidArg("digest", "of type string", digest);
  needWhole(keylen, "length", 0, 2147483647);
  const out = host.nodeHKDF(digest, input(key, "ikm"), input(salt, "salt"), input(info, "info"), keylen);
  if (out === null) throw badDigest(digest);
  if (out === undefined) throw nodeError(RangeErrorCtor, "ERR_CRYPTO_INVALID_KEYLEN", "Invalid key length");
  return out;
}

function hkdf(digest, key, salt, info, keylen, callback) {
  callbackArg(callback);
  const out = hkdfSync(digest, key, salt, info, keylen);
  queueMicrotask(() => callback(null, out));
}

return {
  Hash, Hmac, Cipheriv, Decipheriv, createHash, createHmac, createCipheriv, createDecipheriv,
  getCiphers: () => ["aes-128-cbc", "aes-128-ctr", "aes-128-gcm", "aes-192-cbc", "aes-192-ctr", "aes-192-gcm", "aes-256-cbc", "aes-256-ctr", "aes-256-gcm"],
  hkdf, hkdfSync, scrypt, scryptSync,
  getHashes: () => ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512-224", "sha512-256"],
  getRandomValues: (array) => theCrypto.getRandomValues(array),
  hash, pbkdf2, pbkdf2Sync, randomBytes, randomFillSync, randomInt,
  randomUUID: () => theCrypto.randomUUID(),
  subtle: theCrypto.subtle,
  timingSafeEqual,
  webcrypto: theCrypto,
};
