import url, { fileURLToPath, pathToFileURL, parse, format, resolve, domainToASCII, domainToUnicode, urlToHttpOptions } from "node:url";

export default function (print) {
  const coded = (f) => { try { return f(); } catch (e) { return `${e.name} [${e.code}]: ${e.message}`; } };
  for (const p of ["/a/b c", "/a#b?c%d", "/\u4e16", "/a\\b", "/", "/a/", "/x\ny"]) print(pathToFileURL(p).href, fileURLToPath(pathToFileURL(p)) === p);
  for (const u of ["file:///a%20b", "http://x/", "file://host/x", "file:///a%2fb", "nonsense", "file:///"]) print(coded(() => fileURLToPath(u)));
  print(coded(() => fileURLToPath(5)), coded(() => pathToFileURL(5)));
  const samples = ["http://user:pa%20ss@Host.com:8080/p/a/t/h?query=string#hash", "/just/a/path?x=1", "//host/path", "mailto:a@b.c", "javascript:alert('x')", "http://x", "HTTP://X?y", "x:y", "http://[::1]:80/a", "a b", "http://a.com\\b?c\\d", "?q", "#h", "", "http://a@b@c/d", "file:///etc/x", "http://x.com:/y", "http://\u00fcber.de/", "/a/{b}", "ftp://u@h/p;x", "http://h/'q'", "tel:+1", "http:a", "blob:http://x/1", "//u:p@h:1/x"];
  for (const s of samples) { const p = parse(s); print(JSON.stringify(s), JSON.stringify(p), format(p), p.constructor.name); }
  print(JSON.stringify(parse("/a?b=1&b=2", true)), JSON.stringify(parse("/a", true).query), JSON.stringify(parse("//h/p", false, true)), coded(() => parse(5)));
  for (const [a, b] of [["/one/two/three", "four"], ["http://example.com/", "/one"], ["http://example.com/one", "/two"], ["http://a/b/c/d;p?q", "../g"], ["http://a/b/c/d;p?q", "?y"], ["http://a/b/c/d;p?q", "#s"], ["http://a/b/c/d;p?q", ""], ["http://a/b/c/d;p?q", "//g"], ["http://a/b/c/d;p?q", "../../../g"], ["http://a/b/c/d;p?q", "g:h"], ["http://a/b/c/d;p?q", "./g/"], ["a/b", "../c"], ["/a", "http://x/y"], ["mailto:a@b", "c@d"], ["http://u:p@h/x", "/y"], ["/a/b/", "."], ["/a/b/", ".."], ["http://x", "y"]]) print(a, b, resolve(a, b));
  print(format({ protocol: "http", host: "h:1", pathname: "p", query: { a: 1, b: [2, 3] }, hash: "x" }), format({ hostname: "::1", port: 80, protocol: "https:", slashes: true }), format({ pathname: "/a?b#c", search: "q#" }), format(new URL("http://u:p@xn--bcher-kva.de:81/a?b#c"), { auth: false, fragment: false, search: false, unicode: true }), format("http://a/b c"), coded(() => format(5)));
  print(domainToASCII("b\u00fccher.de"), domainToUnicode("xn--bcher-kva.de"), JSON.stringify(domainToASCII("xn--i\u00f1valid.com")), JSON.stringify(urlToHttpOptions(new URL("http://u:p%20@h:81/a?b#c"))), url.URL === URL, url.URLSearchParams === URLSearchParams);
}
