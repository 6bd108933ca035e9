import querystring from "node:querystring";

export default function (print) {
  const coded = (f) => { try { return f(); } catch (e) { return `${e.name} [${e.code}]: ${e.message}`; } };
  for (const s of ["a=1&b=2", "a=1&a=2&a=3", "a", "=b", "&&a=1&&", "a=%41%zz&b=+x+", "%E4%BD%A0=%E5%A5%BD", "a=b=c", "", "a=%E4", "__proto__=1&toString=2", "a%3Db=1", "%f6=1", "a=&b="]) print(JSON.stringify(s), JSON.stringify(querystring.parse(s)));
  print(JSON.stringify(querystring.parse("a:1;b:2", ";", ":")), JSON.stringify(querystring.parse("a=1&b=2&c=3", null, null, { maxKeys: 2 })), JSON.stringify(querystring.parse("a=1", null, null, { decodeURIComponent: (x) => `<${x}>` })), JSON.stringify(querystring.parse("a==>1", "&", "==>")), Object.getPrototypeOf(querystring.parse("a")) === null);
  print(querystring.stringify({ a: 1, b: ["x", "y z"], c: true, d: null, e: undefined, f: {}, g: NaN, h: Infinity, i: 10n, j: "\u4f60&=" }), querystring.stringify({ a: "b" }, ";", ":"), querystring.stringify({ a: "b c" }, null, null, { encodeURIComponent: (x) => `<${x}>` }), JSON.stringify(querystring.stringify("x")), querystring.stringify({ a: [] }), querystring.stringify({ "!'()*~": "!'()*~" }));
  print(querystring.escape("a b&\u00e9'"), querystring.unescape("a%20b%zz"), querystring.unescapeBuffer("a%20%4").toString(), coded(() => querystring.stringify({ a: "\ud800" })), querystring.encode === querystring.stringify, querystring.decode === querystring.parse);
}
