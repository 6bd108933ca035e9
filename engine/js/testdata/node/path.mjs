import path from "node:path";
import posix from "node:path/posix";
import { win32, join } from "node:path";

export default function (print) {
  const samples = ["", ".", "/", "//", "/a", "/a/", "a/b", "a//b/../c", "../a", "../../", "./", "/a/b.txt", "file.ext", ".hidden", ".a.b", "a.", "a..", "..", "..a", "/x/.y/z.", "a/b/", "C:\\a\\b.txt", "C:", "C:\\", "C:a", "\\\\srv\\share\\x", "\\\\srv\\share", "\\\\srv", "\\a", "c:/a/../b", "a\\b/c", "/foo/bar//baz/asdf/quux/..", "C:..", "//a/b/c", "a/.", "a/..", "./a/./", "..\\..\\x", "x:\\y\\..\\..\\z"];
  for (const [name, p] of [["posix", posix], ["win32", win32]]) {
    for (const s of samples) {
      print(name, JSON.stringify(s), p.normalize(s), p.dirname(s), JSON.stringify(p.basename(s)), JSON.stringify(p.extname(s)), p.isAbsolute(s), JSON.stringify(p.parse(s)), p.basename(s, ".txt"), p.format(p.parse(s)));
    }
    print(p.join("a", "b", "..", "c"), p.join(), p.join("", ""), p.join("/a", "/b"), p.join("//a", "b"), p.join("a", "", "../../.."), p.sep, p.delimiter);
    print(p.format({ root: "/", base: "b" }), p.format({ dir: "/d", name: "n", ext: "e" }), p.format({ dir: "/d", base: "b", name: "x" }), p.format({}));
  }
  for (const [a, b] of [["/a/b/c", "/a/d"], ["/a", "/a"], ["/a/b", "/"], ["/", "/a/b"], ["/foo/bar", "/foo/barbaz"], ["/a/b/", "/a/b/c"], ["/a/b/c/d", "/a/b"]]) print(posix.relative(a, b), posix.resolve(a, b, ".."), posix.resolve(a, "x", "../y"));
  for (const [a, b] of [["C:\\a\\b", "C:\\a\\c"], ["C:\\a", "D:\\b"], ["c:\\A\\b", "C:\\a\\B\\c"], ["\\\\s\\h\\a", "\\\\s\\h\\b"]]) print(win32.relative(a, b), win32.resolve(a, b, ".."), win32.resolve(a, "x", "..\\y"), win32.toNamespacedPath(a));
  for (const f of [() => posix.join(1), () => posix.basename("a", 1), () => posix.resolve({}), () => posix.format(null), () => win32.dirname(null)]) {
    try { f(); } catch (e) { print(e.code, e.message); }
  }
  print(path === posix, path.posix === posix, path.win32 === win32, join === path.join, path.posix.win32 === win32);
}
