import { Buffer, constants, isUtf8, isAscii, transcode } from "node:buffer";
import * as all from "node:buffer";

export default function (print) {
  const coded = (f) => { try { return f(); } catch (e) { return `${e.name} [${e.code}]: ${e.message}`; } };
  const text = "h\u00e9llo \u4e16\u754c \u{1f600} \ud800!";
  for (const enc of ["utf8", "utf-8", "UTF8", "hex", "base64", "base64url", "latin1", "binary", "ascii", "utf16le", "ucs2", "ucs-2"]) {
    const b = Buffer.from(text, enc);
    print(enc, b.length, b.toString("hex"), JSON.stringify(b.toString(enc)), Buffer.byteLength(text, enc));
  }
  for (const s of ["6162637", "616263zz", "zz", ""]) print("hex", Buffer.from(s, "hex").toString("hex"));
  for (const s of ["YWJj", "YWI=", "YQ==", "YQ", "Y W J j", "YW-_", "YW+/", "Y", "====", "YWJj=YWJj"]) print("base64", s, Buffer.from(s, "base64").toString("hex"), Buffer.byteLength(s, "base64"));
  print(Buffer.from([1, 2, 300, -1, 1.9, "7", NaN]).toString("hex"), Buffer.from({ length: 3, 0: 9, 2: 8 }).toString("hex"), Buffer.from(Buffer.from("abc")).toString());
  print(Buffer.from(new Uint16Array([1, 256, 65535])).toString("hex"), Buffer.from(new Uint16Array([1, 2]).buffer).toString("hex"), Buffer.from(new Uint8Array(8).buffer, 2, 3).length);
  print(Buffer.from({ type: "Buffer", data: [1, 2, 3] }).toString("hex"), Buffer.from(new String("boxed")).toString(), Buffer.from({ [Symbol.toPrimitive]: () => "prim" }).toString());
  for (const bad of [undefined, null, 5, true, Symbol.iterator, {}, () => 1]) print(coded(() => Buffer.from(bad)));
  print(coded(() => Buffer.from("a", "klingon")), coded(() => Buffer.from(new ArrayBuffer(4), 5)), coded(() => Buffer.from(new ArrayBuffer(4), 2, 5)));
  print(Buffer.alloc(5, "ab").toString(), Buffer.alloc(3, 257).toString("hex"), Buffer.alloc(4, "YWI=", "base64").toString(), Buffer.alloc(3).toString("hex"), Buffer.alloc(4, Buffer.from("xyz")).toString());
  for (const bad of [-1, "5", NaN, undefined]) print(coded(() => Buffer.alloc(bad)).toString().replace(/<= \d+/, "<= n"));
  print(Buffer.concat([Buffer.from("ab"), new Uint8Array([99])]).toString(), Buffer.concat([Buffer.from("abcdef")], 3).toString(), Buffer.concat([Buffer.from("a")], 3).toString("hex"), Buffer.concat([]).length);
  print(coded(() => Buffer.concat("x")), coded(() => Buffer.concat([1])));
  print(Buffer.compare(Buffer.from("a"), Buffer.from("b")), Buffer.from("abc").compare(Buffer.from("abd"), 0, 2, 0, 2), Buffer.from("b").compare(Buffer.from("abc"), 1, 2), coded(() => Buffer.compare("a", "b")));
  print(Buffer.isBuffer(Buffer.alloc(1)), Buffer.isBuffer(new Uint8Array(1)), Buffer.isEncoding("HEX"), Buffer.isEncoding("nope"), Buffer.isEncoding(""), Buffer.of(1, 2, 255).toString("hex"));
  const b = Buffer.from([0x80, 0xff, 1, 2, 3, 4, 5, 6, 7, 0xfe]);
  for (const end of ["LE", "BE"]) {
    for (const t of ["UInt16", "Int16", "UInt32", "Int32", "Float", "Double", "BigInt64", "BigUInt64", "Uint16", "Uint32", "BigUint64"]) {
      print(t + end, b[`read${t}${end}`](1), b[`read${t}${end}`]());
    }
    for (let n = 1; n <= 6; n++) print(end, n, b[`readUInt${end}`](1, n), b[`readInt${end}`](0, n), b[`readIntLE`](0, n));
  }
  print(b.readUInt8(1), b.readInt8(0), b.readInt8(9));
  for (const f of [() => b.readUInt8(10), () => b.readInt16LE(9), () => b.readUInt32BE(-1), () => b.readUInt8(1.5), () => b.readUInt8("1"), () => Buffer.alloc(1).readUInt16LE(0), () => b.readIntBE(0, 7), () => b.readIntBE(0, 0), () => b.readUIntLE(undefined, 2), () => b.readUIntLE(0)]) print(coded(f));
  const w = Buffer.alloc(10);
  for (const end of ["LE", "BE"]) {
    print(w[`writeUInt16${end}`](0xabcd, 1), w[`writeInt16${end}`](-2, 3), w[`writeUInt32${end}`](0xdeadbeef, 5), w.toString("hex"));
    print(w[`writeInt32${end}`](-123456, 0), w[`writeFloat${end}`](1.5, 4), w.toString("hex"), w[`writeDouble${end}`](-2.25, 1), w.toString("hex"));
    print(w[`writeBigInt64${end}`](-5n, 0), w[`writeBigUInt64${end}`](2n ** 63n, 2), w.toString("hex"), w[`writeIntBE`](-7, 0, 6), w[`writeUInt${end}`](0x123456, 3, 3), w.toString("hex"));
  }
  print(w.writeUInt8(255, 0), w.writeInt8(-128, 1), w.toString("hex"), w.writeUInt8(3.7), w.writeUInt16LE("513"), w.toString("hex"));
  for (const f of [() => w.writeUInt8(256), () => w.writeInt8(-129), () => w.writeUInt16LE(-1), () => w.writeInt16BE(40000), () => w.writeUInt32LE(2 ** 32), () => w.writeInt32LE(2 ** 31), () => w.writeUIntBE(2 ** 24, 0, 3), () => w.writeIntLE(2 ** 47, 0, 6), () => w.writeUIntLE(-1, 0, 5), () => w.writeBigInt64LE(2n ** 63n), () => w.writeBigUInt64BE(-1n), () => w.writeUInt8(1, 10), () => w.writeBigInt64LE(1)]) print(coded(f));
  const s = Buffer.from("hello world");
  print(s.slice(0, 5).toString(), s.subarray(-5).toString(), s.slice(3, 1).length, s.slice(-3, -1).toString(), s.slice("2", "4").toString(), s.slice(NaN).length);
  const part = s.slice(0, 5); part[0] = 72; print(s.toString(), part.parent === s.buffer, s.toString("utf8", 6), s.toString("utf8", -3, 5), s.toString("hex", 9, 100));
  for (const args of [["o"], ["o", 5], ["o", -4], ["zz"], [""], ["", 20], [111], [111.9], [256 + 111], [Buffer.from("wor")], ["6f", "hex"], ["6f", 5, "hex"], ["o", NaN], ["o", {}], [new Uint8Array([108, 108])]]) print(s.indexOf(...args), s.lastIndexOf(...args), s.includes(...args));
  const u = Buffer.from("abab", "utf16le"); print(u.indexOf("b", 0, "utf16le"), u.lastIndexOf("a", undefined, "utf16le"), u.indexOf("b", 3, "utf16le"), u.indexOf(Buffer.from("b", "utf16le")));
  print(coded(() => s.indexOf({})), coded(() => s.indexOf("a", 0, "nope")), s.lastIndexOf("h", 0), s.lastIndexOf("l", -20), s.lastIndexOf(""), s.lastIndexOf("l", null), s.indexOf("l", null));
  print(Buffer.alloc(6).fill("abc").toString(), Buffer.alloc(6, "x").fill("ab", 1, 4).toString(), Buffer.alloc(4).fill("\u00e9").toString("hex"), Buffer.alloc(4).fill("\u00e9", "latin1").toString("hex"), Buffer.alloc(4).fill("6162", "hex").toString(), Buffer.alloc(2).fill(true).toString("hex"), Buffer.alloc(3, 1).fill("").toString("hex"));
  for (const f of [() => Buffer.alloc(2).fill("a", 0, 3), () => Buffer.alloc(2).fill("zz", "hex"), () => Buffer.alloc(2).fill("a", 0, 1, "nope"), () => Buffer.alloc(2).fill(Buffer.alloc(0))]) print(coded(f));
  print(s.equals(Buffer.from(s)), s.equals(new Uint8Array(s)), coded(() => s.equals("hello")));
  const wr = Buffer.alloc(8);
  print(wr.write("abc"), wr.write("\u00e9\u00e9", 6), wr.write("6162", 3, "hex"), wr.toString("hex"), wr.write("\u4e16\u754c", 4), wr.toString("hex"), wr.write("abc", 1, 2), wr.write("xyz", 0, 2, "latin1"), wr.write("abc", 5, "utf16le"), wr.toString("hex"));
  for (const f of [() => wr.write("a", 9), () => wr.write("a", -1), () => wr.write(5), () => wr.write("a", 0, 1, "nope"), () => wr.write("a", 0, 9)]) print(coded(f));
  const c = Buffer.alloc(6, "."); print(Buffer.from("abcdef").copy(c, 2, 1), c.toString(), Buffer.from("xyz").copy(c, 0, 2), c.toString(), Buffer.from("abc").copy(c, 7), c.copy(c, 1, 0, 3), c.toString(), coded(() => c.copy(c, -1)), coded(() => c.copy("x")));
  print(Buffer.from("0102030405060708", "hex").swap16().toString("hex"), Buffer.from("0102030405060708", "hex").swap32().toString("hex"), Buffer.from("0102030405060708", "hex").swap64().toString("hex"), coded(() => Buffer.alloc(3).swap16()));
  print(JSON.stringify(Buffer.from("hi")), JSON.stringify({ b: Buffer.from([1]) }), [...Buffer.from("ab").entries()].join(), [...Buffer.from("ab").keys()].join(), [...Buffer.from("ab")].join(), Buffer.from("abc").map((x) => x + 1).toString(), Buffer.from("abc").filter((x) => x > 97).constructor === Buffer);
  print(Buffer.from("abc").reverse().toString(), Buffer.from("cab").sort().toString(), Buffer.from("abc").at(-1), Buffer.from("abc").latin1Slice(1), Buffer.from("abc").hexSlice(0, 2), Buffer.from("abc").utf8Write("zz", 1));
  print(isUtf8(Buffer.from("\u00e9")), isUtf8(Buffer.from([0xc3])), isAscii(Buffer.from("a")), isAscii(Buffer.from("\u00e9")), transcode(Buffer.from("\u20ac"), "utf8", "ascii").toString("hex"), transcode(Buffer.from("\u00e9"), "utf8", "latin1").toString("hex"), transcode(Buffer.from("a\u00e9"), "utf8", "utf16le").toString("hex"), coded(() => transcode(Buffer.from("a"), "utf8", "hex")));
  print(Object.prototype.toString.call(Buffer.alloc(1)), Buffer.name, Buffer.alloc(1).constructor === Buffer, Buffer.alloc(1) instanceof Uint8Array, Buffer.prototype instanceof Uint8Array, Buffer.poolSize, typeof constants.MAX_LENGTH, all.default.Buffer === Buffer, globalThis.Buffer === Buffer, `${Buffer.from("str")}`);
  print(Buffer.copyBytesFrom(new Uint16Array([1, 2, 3]), 1).toString("hex"), Buffer("call").toString(), new Buffer(2).toString("hex"), Buffer.from([0xc3, 0x28, 0xff]).toString().split("").map((x) => x.charCodeAt(0)).join());
}
