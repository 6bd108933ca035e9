import * as N from "node:crypto";
import { createHash, createHmac, randomBytes, scryptSync, scrypt, createCipheriv, createDecipheriv, timingSafeEqual, pbkdf2Sync, hkdfSync } from "node:crypto";

export default async function (print) {
  const coded = (f) => { try { return f(); } catch (e) { return `${e.name} [${e.code}]`; } };
  print(Buffer.isBuffer(createHash("sha256").update("a").digest()), createHash("sha256").update(Buffer.from("abc")).digest().toString("base64url"), createHmac("sha512", Buffer.from("k")).update("x").digest("hex"), Buffer.isBuffer(randomBytes(3)), Buffer.isBuffer(pbkdf2Sync("p", "s", 1, 8, "sha1")));
  print(createHash("md5").update("616263", "hex").digest("latin1").length, createHash("sha1").update("\u00e9", "utf16le").digest("hex"), coded(() => createHash("nope")));
  print(timingSafeEqual(Buffer.from("a"), Buffer.from("a")), coded(() => timingSafeEqual(Buffer.from("a"), Buffer.from("ab"))));
  print(scryptSync("password", "salt", 32).toString("hex"), scryptSync("p", "s", 16, { N: 1024, r: 8, p: 2 }).toString("hex"), coded(() => scryptSync("p", "s", 16, { N: 1000 })), coded(() => scryptSync("p", "s", -1)), coded(() => scryptSync("p", "s", 16, { N: 2 ** 20 })));
  print(await new Promise((f) => scrypt("password", "salt", 24, { cost: 2048 }, (e, k) => f(k.toString("hex")))));
  print(Buffer.from(hkdfSync("sha256", "key", "salt", "info", 20)).toString("hex"));
  const key = Buffer.alloc(32, 7), iv = Buffer.alloc(12, 9), iv16 = Buffer.alloc(16, 3);
  const g = createCipheriv("aes-256-gcm", key, iv); g.setAAD(Buffer.from("aad")); const enc = Buffer.concat([g.update("hello ", "utf8"), g.update("world"), g.final()]); print(enc.length, g.getAuthTag().toString("hex"), enc.toString("hex"));
  const dg = createDecipheriv("aes-256-gcm", key, iv); dg.setAAD(Buffer.from("aad")).setAuthTag(g.getAuthTag()); print(dg.update(enc, undefined, "utf8") + dg.final("utf8"));
  const bad = createDecipheriv("aes-256-gcm", key, iv); bad.setAuthTag(Buffer.alloc(16)); bad.update(enc); print(coded(() => bad.final()));
  for (const size of [128, 192, 256]) for (const mode of ["cbc", "ctr"]) {
    const c = createCipheriv(`aes-${size}-${mode}`, key.subarray(0, size / 8), iv16); const out = c.update("some text that is longer than a block", "utf8", "hex") + c.final("hex"); print(size, mode, out);
    const d = createDecipheriv(`aes-${size}-${mode}`, key.subarray(0, size / 8), iv16); print(d.update(out, "hex", "utf8") + d.final("utf8"));
  }
  const np = createCipheriv("aes-128-cbc", key.subarray(0, 16), iv16); np.setAutoPadding(false); print(np.update(Buffer.alloc(16)).toString("hex"), np.final().length); const np2 = createCipheriv("aes-128-cbc", key.subarray(0, 16), iv16); np2.setAutoPadding(false); np2.update("x"); print(coded(() => np2.final()).split(" ")[0]);
  print(coded(() => createCipheriv("aes-128-cbc", key, iv16)), coded(() => createCipheriv("aes-128-cbc", key.subarray(0, 16), iv)), coded(() => createCipheriv("nope", key, iv)).split(" ")[0]);
  const d2 = createDecipheriv("aes-128-cbc", key.subarray(0, 16), iv16); d2.update(Buffer.alloc(16)); print(coded(() => d2.final()).split(" ")[0]);
  print(N.webcrypto === crypto, typeof N.randomUUID(), N.getHashes().includes("sha256"), N.randomInt(5) < 5, N.getRandomValues(new Uint8Array(2)).length);
}
