// crypto.DigestStream, Cloudflare's: a WritableStream whose result is the hash of what went through.


const digestHashes = { __proto__: null, "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512", MD5: "md5" };

class DigestStream extends WritableStream {
  #digest;
  #written = 0;
  constructor(algorithm) {
    if (arguments.length === 0) throw new TypeErrorCtor("DigestStream needs an algorithm");
    const given = typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm;
    const name = toUpper(`${given}`);
    const hash = digestHashes[name];
    if (hash === undefined) throw new DOMException(`DigestStream: "${slice(`${given}`, 0, 100)}" is not a hash: use SHA-1, SHA-256, SHA-384, SHA-512 or MD5`, "NotSupportedError");
    const state = host.nodeHash(hash, undefined);
    const result = pending();
    handled(result); // whoever does not look at it need not
    super({
      __proto__: null,
      write: (chunk) => {
        const bytes = typeof chunk === "string" ? host.utf8Encode(chunk) : bytesOf(chunk);
        if (bytes === null) {
          const e = new TypeErrorCtor(`DigestStream is a byte stream but received an object of non-byte type on its writable side: ${typeName(chunk)}`);
          refuse(result, e);
          throw e;
        }
        host.nodeUpdate(state, bytes);
        this.#written += bytes.length;
      },
      close: () => fulfill(result, host.nodeSum(state)),
      abort: (reason) => refuse(result, reason),
    });
    this.#digest = result;
  }
  get digest() {
    return this.#digest;
  }
  get bytesWritten() {
    return BigIntOf(this.#written);
  }
}
webClass(DigestStream, "DigestStream");
