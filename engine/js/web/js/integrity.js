// Subresource integrity: what the body of a response has to hash to.

const integrityHashes = ["sha256", "sha384", "sha512"]; // from the weakest
const integrityToken = /[\t\n\f\r ]*(?:(sha256|sha384|sha512)-([-+\/\w]+)={0,2}(?:\?[!-~]*)?(?![^\t\n\f\r ])|[^\t\n\f\r ]+)/iy;

// integrityOf lists the sums that a text asks for: those of the strongest kind among them. What it does not know it passes over.
function integrityOf(text) {
  let strongest = -1;
  let sums = [];
  integrityToken.lastIndex = 0;
  for (let m; (m = regexExec(integrityToken, text)) !== null; ) {
    if (m[1] === undefined) continue;
    const strength = arrIndexOf(integrityHashes, toLower(m[1]));
    if (strength < strongest) continue;
    if (strength > strongest) sums = [];
    strongest = strength;
    push(sums, join(strSplit(join(strSplit(m[2], "+"), "-"), "/"), "_"));
  }
  return { __proto__: null, hash: integrityHashes[strongest], sums };
}

// intact gives a Response of the host on when its whole body is what it has to be, and refuses it otherwise.
function intact(response, integrity) {
  const { hash, sums } = integrityOf(integrity);
  if (sums.length === 0) return response;
  const copy = host.msgClone(response);
  return promiseThen(bodyWhole(hostedUse(response)), (bytes) => {
    const state = host.nodeHash(hash, undefined);
    host.nodeUpdate(state, bytes);
    if (arrIndexOf(sums, host.subtleBase64(host.nodeSum(state))) < 0) throw new TypeErrorCtor(`Fetch API cannot load: the body of ${host.msgURL(copy)} does not match the integrity of the request.`);
    host.msgTouch(copy);
    const stream = streamOf(bytes);
    openReadable(readableOf(stream)); // or the host would send the body of its own message, which has been read
    giveStream(copy, stream);
    return copy;
  });
}
