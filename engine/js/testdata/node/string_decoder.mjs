import { StringDecoder } from "node:string_decoder";

export default function (print) {
  const coded = (f) => { try { return f(); } catch (e) { return `${e.name} [${e.code}]: ${e.message}`; } };
  const text = Buffer.from("a\u00e9\u4e16\u{1f600}z");
  for (const enc of ["utf8", "utf16le", "base64", "base64url", "hex", "latin1", "ascii"]) {
    for (const size of [1, 2, 3, 5]) {
      const d = new StringDecoder(enc); const out = [];
      for (let i = 0; i < text.length; i += size) out.push(d.write(text.subarray(i, i + size)));
      out.push(d.end()); print(enc, size, JSON.stringify(out), d.encoding);
    }
  }
  for (const bytes of [[0xe4, 0xb8], [0xf0, 0x9f, 0x98], [0xc3], [0xff], [0xe4, 0x41], [0x80], [0xc0, 0x80]]) {
    const d = new StringDecoder(); print(JSON.stringify(d.write(Buffer.from(bytes))), d.lastNeed, JSON.stringify(d.write(Buffer.from("b"))), JSON.stringify(d.end()), JSON.stringify(d.end()));
  }
  const d = new StringDecoder("utf16le"); print(JSON.stringify(d.write(Buffer.from([0x3d, 0xd8]))), JSON.stringify(d.end()), JSON.stringify(d.end(Buffer.from([0x41, 0]))));
  print(coded(() => new StringDecoder("nope")), coded(() => new StringDecoder().write(5)), new StringDecoder().write("str"), new StringDecoder("UTF-8").encoding, new StringDecoder("binary").encoding, new StringDecoder().end(Buffer.from("x")));
}
