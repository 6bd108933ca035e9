// crypto.DigestStream, Cloudflare's: a WritableStream whose result is the hash of what went through.

const { host, slice, toUpper, bytesOf, typeName, webClass, newPromise, WritableStream, DOMException, TypeErrorCtor, BigIntOf } = prim;

const hashes = { __proto__: null, "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512", MD5: "md5" };

class DigestStream extends WritableStream {
  #digest;
  #written = 0;
  constructor(algorithm) {
    if (arguments.length === 0) throw new TypeErrorCtor("DigestStream needs an algorithm");
    const given = typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm;
    const name = toUpper(`${given}`);
    const hash = hashes[name];
    if (hash === undefined) throw new DOMException(`DigestStream: "${slice(`${given}`, 0, 100)}" is not a hash: use SHA-1, SHA-256, SHA-384, SHA-512 or MD5`, "NotSupportedError");
    const state = host.nodeHash(hash, undefined);
    const result = newPromise();
    super({
      __proto__: null,
      write: (chunk) => {
        const bytes = typeof chunk === "string" ? host.utf8Encode(chunk) : bytesOf(chunk);
        if (bytes === null) {
          const e = new TypeErrorCtor(`DigestStream is a byte stream but received an object of non-byte type on its writable side: ${typeName(chunk)}`);
          result.reject(e);
          throw e;
        }
        host.nodeUpdate(state, bytes);
        this.#written += bytes.length;
      },
      close: () => result.resolve(host.nodeSum(state)),
      abort: (reason) => result.reject(reason),
    });
    this.#digest = result.promise;
  }
  get digest() {
    return this.#digest;
  }
  get bytesWritten() {
    return BigIntOf(this.#written);
  }
}
webClass(DigestStream, "DigestStream");
return DigestStream;
