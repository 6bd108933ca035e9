package web

import (
	"bytes"
	"encoding/base64"
	"testing"
	"unicode/utf8"
)

func TestTextEncoder(t *testing.T) {
	cases(t, []jsCase{
		{"encode", `const b = new TextEncoder().encode("aé€😀"); return b.constructor.name + [...b]`, "Uint8Array97,195,169,226,130,172,240,159,152,128"},
		{"encode of nothing", `return String(new TextEncoder().encode().length) + new TextEncoder().encode(undefined).length`, "00"},
		{"a lone surrogate", `return String(new TextEncoder().encode("\ud800a"))`, "239,191,189,97"},
		{"a rope", `let s = ""; for (let i = 0; i < 100; i++) s += "ab" + i; return String(new TextEncoder().encode(s).length)`, "390"},
		{"encoding", `return new TextEncoder().encoding`, "utf-8"},
		{"encodeInto", `const d = new Uint8Array(6), r = new TextEncoder().encodeInto("aé€😀", d); return [r.read, r.written, ...d].join()`, "3,6,97,195,169,226,130,172"},
		{"encodeInto a detached buffer", `const b = new Uint8Array(4); b.buffer.transfer(); return JSON.stringify(new TextEncoder().encodeInto("x", b))`, `{"read":0,"written":0}`},
		{"encodeInto counts units", `const d = new Uint8Array(10), r = new TextEncoder().encodeInto("😀x", d); return [r.read, r.written].join()`, "3,5"},
		{"encodeInto never splits a character", `const d = new Uint8Array(3), r = new TextEncoder().encodeInto("a😀", d); return [r.read, r.written, d[1]].join()`, "1,1,0"},
		{"encodeInto needs a Uint8Array", `new TextEncoder().encodeInto("a", new Int8Array(1))`, "rejects TypeError: TextEncoder.encodeInto: the destination must be a Uint8Array"},
	})
}

func TestTextDecoder(t *testing.T) {
	cases(t, []jsCase{
		{"utf-8", `return new TextDecoder().decode(new Uint8Array([97, 195, 169, 226, 130, 172, 240, 159, 152, 128]))`, "aé€😀"},
		{"decode a detached buffer", `const b = new Uint8Array([65, 66]), v = new DataView(b.buffer); b.buffer.transfer(); return JSON.stringify([b, b.buffer, v].map((x) => new TextDecoder().decode(x)))`, `["","",""]`},
		{"nothing", `return new TextDecoder().decode()`, ""},
		{"an ArrayBuffer and a DataView", `const b = new Uint8Array([1, 97, 98]); return new TextDecoder().decode(b.buffer.slice(1)) + new TextDecoder().decode(new DataView(b.buffer, 2))`, "abb"},
		{"broken bytes, one mark each maximal part", `return new TextDecoder().decode(new Uint8Array([0xf0, 0x9f, 0x98, 0x41, 0xc0, 0x80, 0xed, 0xa0, 0x80, 0xe2]))`, "\uFFFDA\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"},
		{"fatal", `return new TextDecoder("utf-8", {fatal: true}).decode(new Uint8Array([0xff]))`, "rejects TypeError: TextDecoder.decode: the data is not valid utf-8"},
		{"fatal at the end", `return new TextDecoder("utf-8", {fatal: true}).decode(new Uint8Array([0xe2, 0x82]))`, "rejects TypeError: TextDecoder.decode: the data is not valid utf-8"},
		{"a BOM is dropped", `return new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 97]))`, "a"},
		{"ignoreBOM keeps it", `return String(new TextDecoder("utf-8", {ignoreBOM: true}).decode(new Uint8Array([0xef, 0xbb, 0xbf, 97])).length)`, "2"},
		{"a stream", `const d = new TextDecoder(); return d.decode(new Uint8Array([0xe2, 0x82]), {stream: true}) + "|" + d.decode(new Uint8Array([0xac, 0xf0]), {stream: true}) + "|" + d.decode()`, "|€|\uFFFD"},
		{"a BOM in pieces", `const d = new TextDecoder(); return [0xef, 0xbb, 0xbf, 97].map((b) => d.decode(new Uint8Array([b]), {stream: true})).join("") + d.decode()`, "a"},
		{"only the first BOM of a stream is dropped", `const d = new TextDecoder(), b = new Uint8Array([0xef, 0xbb, 0xbf]); return String(d.decode(b, {stream: true}).length) + d.decode(b, {stream: true}).length + d.decode().length`, "010"},
		{"a decoder starts anew after a stream", `const d = new TextDecoder(); d.decode(new Uint8Array([0xe2]), {stream: true}); return d.decode(new Uint8Array([97])) + d.decode(new Uint8Array([98]))`, "\uFFFDab"},
		{"utf-16le", `return new TextDecoder("utf-16").decode(new Uint8Array([0xff, 0xfe, 97, 0, 0x3d, 0xd8, 0, 0xde, 0, 0xd8, 98, 0]))`, "a😀\uFFFDb"},
		{"utf-16be", `return new TextDecoder("utf-16be").decode(new Uint8Array([0, 97, 0xd8]))`, "a\uFFFD"},
		{"utf-16 in pieces", `const d = new TextDecoder("utf-16le"); return [0x3d, 0xd8, 0, 0xde].map((b) => d.decode(new Uint8Array([b]), {stream: true})).join("") + d.decode()`, "😀"},
		{"utf-16 fatal", `return new TextDecoder("utf-16le", {fatal: true}).decode(new Uint8Array([0, 0xdc]))`, "rejects TypeError: TextDecoder.decode: the data is not valid utf-16le"},
		{"latin1 is windows-1252", `const d = new TextDecoder("latin1"); return d.encoding + d.decode(new Uint8Array([0x80, 0xe9, 0x81]))`, "windows-1252€é\u0081"},
		{"shift_jis", `return new TextDecoder("sjis").decode(new Uint8Array([0x93, 0xfa, 0x96, 0x7b]))`, "日本"},
		{"shift_jis in pieces", `const d = new TextDecoder("shift_jis"); return [0x93, 0xfa, 0x96, 0x7b].map((b) => d.decode(new Uint8Array([b]), {stream: true})).join("|") + d.decode()`, "|日||本"},
		{"iso-2022-jp in pieces", `const d = new TextDecoder("iso-2022-jp"); return [0x1b, 0x24, 0x42, 0x46, 0x7c, 0x4b, 0x5c].map((b) => d.decode(new Uint8Array([b]), {stream: true})).join("") + d.decode()`, "日本"},
		{"iso-2022-jp keeps its state between pieces", `const d = new TextDecoder("iso-2022-jp"), b = (...l) => new Uint8Array(l); return d.decode(b(0x1b, 0x28), {stream: true}) + d.decode(b(0x4a), {stream: true}) + d.decode(b(0x5c, 0x1b), {stream: true}) + d.decode(b(0x28, 0x49, 0x31), {stream: true}) + d.decode()`, "¥ｱ"},
		{"iso-2022-jp: two escapes at once", `const d = new TextDecoder("iso-2022-jp"); return d.decode(new Uint8Array([0x1b, 0x24, 0x42, 0x1b, 0x28, 0x42, 0x41, 0x0e]))`, "�A�"},
		{"a broken sequence leaves the ASCII byte", `return ["shift_jis", "euc-jp", "big5", "euc-kr", "gbk"].map((e) => new TextDecoder(e).decode(new Uint8Array([0x81, 0x22, 0x3c]))).join()`, `�"<,�"<,�"<,�"<,�"<`},
		{"a broken sequence takes another byte with it", `return ["shift_jis", "big5", "euc-kr", "gbk"].map((e) => new TextDecoder(e).decode(new Uint8Array([0x81, 0xff, 0x3c]))).join()`, "�<,�<,�<,�<"},
		{"euc-jp of three bytes", `return new TextDecoder("euc-jp").decode(new Uint8Array([0x8f, 0xb0, 0xa1, 0x8e, 0xb1, 0x8f, 0xa1, 0x41, 0x8f]))`, "丂ｱ�A�"},
		{"big5 of two characters", `return new TextDecoder("big5").decode(new Uint8Array([0x88, 0x62]))`, "Ê̄"},
		{"shift_jis for private use", `return new TextDecoder("shift_jis").decode(new Uint8Array([0xf0, 0x40, 0xf9, 0xfc])).split("").map((c) => c.charCodeAt(0).toString(16)).join()`, "e000,e757"},
		{"gb18030 of four bytes, and for private use", `return new TextDecoder("gb18030").decode(new Uint8Array([0x81, 0x30, 0x81, 0x30, 0xaa, 0xa1, 0xa6, 0xd9, 0x84, 0x31, 0xa4, 0x37])).split("").map((c) => c.charCodeAt(0).toString(16)).join()`, "80,e000,fe10,fffd"},
		{"gb18030 in pieces", `const d = new TextDecoder("gb18030"); return [0x81, 0x30, 0x81, 0x41].map((b) => d.decode(new Uint8Array([b]), {stream: true})).join("|") + d.decode()`, "|||�0丄"},
		{"the holes of the ISO tables", `return new TextDecoder("iso-8859-2", {fatal: true}).decode(new Uint8Array([0x81, 0xb1])) + new TextDecoder("iso-8859-8-i").decode(new Uint8Array([0xe0]))`, "\u0081ąא"},
		{"x-user-defined", `return new TextDecoder("x-user-defined").decode(new Uint8Array([0x41, 0x80]))`, "A"},
		{"shared memory", `const b = new SharedArrayBuffer(1); new Uint8Array(b)[0] = 65; return new TextDecoder().decode(b)`, "A"},
		{"a label with other white space", `new TextDecoder("\u00a0utf-8")`, "rejects RangeError: \"\u00a0utf-8\" is not an encoding that TextDecoder knows"},
		{"gb18030 fatal", `return new TextDecoder("gbk", {fatal: true}).decode(new Uint8Array([0xff]))`, "rejects TypeError: TextDecoder.decode: the data is not valid gbk"},
		{"labels", `return [" UTF8\n", "unicode-1-1-utf-8", "ascii", "UTF-16LE", "Latin1", "koi8-r"].map((l) => new TextDecoder(l).encoding).join()`, "utf-8,utf-8,windows-1252,utf-16le,windows-1252,koi8-r"},
		{"an unknown label", `new TextDecoder("nope")`, `rejects RangeError: "nope" is not an encoding that TextDecoder knows`},
		{"replacement is no label", `new TextDecoder("replacement")`, `rejects RangeError: "replacement" is not an encoding that TextDecoder knows`},
		{"flags", `const d = new TextDecoder("utf-8", {fatal: 1, ignoreBOM: true}); return [d.fatal, d.ignoreBOM].join()`, "true,true"},
		{"a string is refused", `new TextDecoder().decode("a")`, "rejects TypeError: TextDecoder.decode: the input must be an ArrayBuffer or a view of one, not string"},
	})
}

func TestBase64(t *testing.T) {
	const bad = "rejects InvalidCharacterError: atob() called with invalid base64-encoded data. (Only whitespace, '+', '/', alphanumeric ASCII, and up to two terminal '=' signs when the input data length is divisible by 4 are allowed.)"
	cases(t, []jsCase{
		{"btoa", `return btoa("a\xff")`, "Yf8="},
		{"btoa of nothing", `return btoa("")`, ""},
		{"btoa of a wide character", `btoa("\u0100")`, "rejects InvalidCharacterError: btoa() can only operate on characters in the Latin1 (ISO/IEC 8859-1) range."},
		{"atob", `return [...atob("Yf8=")].map((c) => c.charCodeAt(0)).join()`, "97,255"},
		{"atob without padding", `return atob("YWI")`, "ab"},
		{"atob with white space", `return atob(" Y W\tI\n= ")`, "ab"},
		{"atob of nothing", `return atob("")`, ""},
		{"atob with wrong padding", `atob("YWI==")`, bad},
		{"atob of one character", `atob("Y")`, bad},
		{"atob of only padding", `atob("====")`, bad},
		{"atob of another alphabet", `atob("-_==")`, bad},
		{"atob of null", `return btoa(atob(null))`, "null"},
		{"atob needs an argument", `atob()`, "rejects TypeError: atob needs an argument"},
		{"the code of the error", `try { atob("*") } catch (e) { return e.code + e.name + (e instanceof DOMException) }`, "5InvalidCharacterErrortrue"},
	})
}

func FuzzUTF8(f *testing.F) {
	for _, s := range []string{"", "a\xe2\x82", "\xf0\x9f\x98", "\xed\xa0\x80", "\xff", "é€😀", "\xc0\x80", "\xf4\x90\x80\x80"} {
		f.Add([]byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		whole := appendRepaired(nil, b)
		if !utf8.Valid(whole) {
			t.Fatalf("%q became %q, which is not UTF-8", b, whole)
		}
		if utf8.Valid(b) && !bytes.Equal(whole, b) {
			t.Fatalf("%q became %q", b, whole)
		}
		// In two pieces it is the same.
		n := min(int(cut), len(b))
		head, rest, _ := decodeText(nil, "utf-8", b[:n], decodeStream, false)
		head = bytes.Clone(head)
		tail, _, _ := decodeText(nil, "utf-8", b[n-rest:], 0, false)
		if got := append(head, tail...); !bytes.Equal(got, whole) {
			t.Fatalf("%q cut at %d became %q, whole %q", b, n, got, whole)
		}
	})
}

func FuzzAtob(f *testing.F) {
	f.Add("YWI=")
	f.Add(" Y==")
	f.Fuzz(func(t *testing.T, s string) {
		out, ok := forgivingDecode([]byte(s))
		if ok && len(s)%4 == 0 && base64.StdEncoding.EncodeToString(out) == s {
			return
		}
		if want, err := base64.StdEncoding.DecodeString(s); err == nil && (!ok || !bytes.Equal(out, want)) {
			t.Fatalf("%q: %q %v, want %q", s, out, ok, want)
		}
	})
}
