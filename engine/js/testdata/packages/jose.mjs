import * as jose from "jose";

export default async function (print) {
  const secret = new TextEncoder().encode("a secret of at least thirty-two bytes");
  const claims = { sub: "me", n: [1, 2] };
  const hs = await new jose.SignJWT(claims).setProtectedHeader({ alg: "HS256", typ: "JWT" }).setIssuedAt(1600000000).setIssuer("i").setAudience("a").setExpirationTime(4000000000).sign(secret); print(hs);
  const { payload, protectedHeader } = await jose.jwtVerify(hs, secret, { issuer: "i", audience: "a" }); print(JSON.stringify(payload), JSON.stringify(protectedHeader));
  for (const opt of [{ issuer: "x" }, { audience: "y" }, { maxTokenAge: "1s" }, { currentDate: new Date(5e12) }]) print(await jose.jwtVerify(hs, secret, opt).catch((e) => `${e.code} ${e.message}`)); print(await jose.jwtVerify(hs.slice(0, -2) + "xx", secret).catch((e) => e.code), await jose.jwtVerify("x.y", secret).catch((e) => e.code));
  for (const alg of ["HS512", "ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA"]) {
    const keys = alg === "HS512" ? null : await jose.generateKeyPair(alg, { extractable: true }); const priv = keys ? keys.privateKey : secret; const pub = keys ? keys.publicKey : secret;
    if (alg === "HS512") { print(await jose.generateSecret("HS512").then((k) => k.type)); const t = await new jose.SignJWT(claims).setProtectedHeader({ alg }).sign(await jose.generateSecret("HS512")); print(t.split(".").length); continue; }
    const token = await new jose.SignJWT(claims).setProtectedHeader({ alg }).sign(priv); print(alg, JSON.stringify((await jose.jwtVerify(token, pub)).payload));
    const jwk = await jose.exportJWK(pub); const again = await jose.importJWK(jwk, alg); print(jwk.kty, (await jose.jwtVerify(token, again)).protectedHeader.alg, (await jose.calculateJwkThumbprint(jwk)).length, (await jose.exportSPKI(pub)).split("\n")[0], (await jose.importPKCS8(await jose.exportPKCS8(priv), alg)).type);
    const set = jose.createLocalJWKSet({ keys: [{ ...jwk, alg, kid: "k1" }] }); print((await jose.jwtVerify(await new jose.SignJWT(claims).setProtectedHeader({ alg, kid: "k1" }).sign(priv), set)).payload.sub);
    const other = await jose.generateKeyPair(alg); print(await jose.jwtVerify(token, other.publicKey).catch((e) => e.code));
  }
  for (const [alg, enc] of [["dir", "A128CBC-HS256"], ["dir", "A256GCM"], ["A128KW", "A128GCM"], ["A256KW", "A256CBC-HS512"], ["PBES2-HS256+A128KW", "A128GCM"], ["A256GCMKW", "A256GCM"]]) {
    const key = alg === "dir" ? (enc === "A256GCM" ? secret.slice(0, 32) : secret.slice(0, 32)) : alg === "A128KW" ? secret.slice(0, 16) : alg.startsWith("PBES2") ? secret : secret.slice(0, 32);
    const jwe = await new jose.EncryptJWT(claims).setProtectedHeader({ alg, enc }).encrypt(key); print(alg, enc, jwe.split(".").length, JSON.stringify((await jose.jwtDecrypt(jwe, key, { keyManagementAlgorithms: [alg] })).payload), await jose.jwtDecrypt(jwe.slice(0, -4) + "AAAA", key, { keyManagementAlgorithms: [alg] }).catch((e) => e.code));
  }
  const rsa = await jose.generateKeyPair("RSA-OAEP-256"); const c = await new jose.CompactEncrypt(new TextEncoder().encode("plain")).setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM" }).encrypt(rsa.publicKey); print(new TextDecoder().decode((await jose.compactDecrypt(c, rsa.privateKey)).plaintext)); const ec = await jose.generateKeyPair("ECDH-ES+A128KW"); const e = await new jose.CompactEncrypt(new TextEncoder().encode("ec")).setProtectedHeader({ alg: "ECDH-ES+A128KW", enc: "A128GCM" }).encrypt(ec.publicKey); print(new TextDecoder().decode((await jose.compactDecrypt(e, ec.privateKey)).plaintext));
  print(JSON.stringify(jose.decodeJwt(hs)), JSON.stringify(jose.decodeProtectedHeader(hs)), new jose.UnsecuredJWT({ a: 1 }).encode());
}
