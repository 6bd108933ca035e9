// META: script=/encoding/legacy-mb-japanese/euc-jp/jis0208_index.js
// META: script=/encoding/legacy-mb-japanese/euc-jp/jis0212_index.js
// META: script=/encoding/legacy-mb-japanese/euc-jp/eucjp-decoder.js
// META: script=/encoding/legacy-mb-japanese/shift_jis/sjis-decoder.js
// META: script=/encoding/legacy-mb-japanese/iso-2022-jp/iso2022jp-decoder.js
// META: script=/encoding/legacy-mb-korean/euc-kr/euckr_index.js
// META: script=/encoding/legacy-mb-korean/euc-kr/euckr-decoder.js
// META: script=/encoding/legacy-mb-tchinese/big5/big5_index.js
// META: script=/encoding/legacy-mb-tchinese/big5/big5-decoder.js
// META: timeout=long

// The suite asks for the encodings of several bytes in documents, against decoders of its own that follow the standard to the letter.
// Here TextDecoder is held against the same decoders: each pair of bytes, and sequences of bytes by chance, whole and in pieces.
const hex = (bytes) => bytes.map((b) => b.toString(16)).join(" ");
const points = (text) => [...text].map((c) => c.codePointAt(0).toString(16)).join(" ");

let seed = 20210201;
const chance = (n) => {
  seed = (seed * 1103515245 + 12345) & 0x7fffffff;
  return Math.floor((seed / 0x80000000) * n);
};

// What a sequence is made of, so that it is not nonsense alone.
const usual = [0x1b, 0x24, 0x28, 0x42, 0x40, 0x4a, 0x49, 0x21, 0x41, 0x5c, 0x7e, 0x0e, 0x80, 0x81, 0x8e, 0x8f, 0xa0, 0xa1, 0xb0, 0xdf, 0xe0, 0xfc, 0xfe, 0xff];

for (const [label, decoder] of [["euc-jp", eucjpDecoder], ["shift_jis", sjisDecoder], ["iso-2022-jp", iso2022jpDecoder], ["euc-kr", euckrDecoder], ["big5", big5Decoder]]) {
  const check = (bytes) => {
    const want = decoder(hex(bytes));
    assert_equals(points(new TextDecoder(label).decode(new Uint8Array(bytes))), points(want), `${label}: ${hex(bytes)}`);
    return want;
  };
  test(() => {
    const before = label === "iso-2022-jp" ? [0x1b, 0x24, 0x42] : [];
    for (let lead = 0; lead < 256; lead++) for (let trail = 0; trail < 256; trail++) if (lead >= 0x80 || label === "iso-2022-jp") check([...before, lead, trail, 0x61]);
  }, `${label}: pairs`);
  if (label === "euc-jp") {
    test(() => {
      for (let lead = 0xa0; lead < 256; lead++) for (let trail = 0; trail < 256; trail++) check([0x8f, lead, trail, 0x61]);
    }, `${label}: threes`);
  }
  test(() => {
    for (let n = 0; n < 20000; n++) {
      const bytes = Array.from({ length: 1 + chance(8) }, () => (chance(2) ? usual[chance(usual.length)] : chance(256)));
      const want = check(bytes);
      const d = new TextDecoder(label);
      let got = "";
      for (const b of bytes) got += d.decode(new Uint8Array([b]), { stream: true });
      got += d.decode();
      assert_equals(points(got), points(want), `${label} in pieces: ${hex(bytes)}`);
    }
  }, `${label}: by chance`);
}
