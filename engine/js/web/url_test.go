package web

import (
	"math/rand"
	"strings"
	"testing"
)

func TestURL(t *testing.T) {
	all := `u => [u.href, u.origin, u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash].join("|")`
	cases(t, []jsCase{
		{"the parts of a plain URL", `return (` + all + `)(new URL("https://example.com:8443/a/b?x=1#frag"))`, "https://example.com:8443/a/b?x=1#frag|https://example.com:8443|https:|||example.com:8443|example.com|8443|/a/b|?x=1|#frag"},
		{"the parts of a bare URL", `return (` + all + `)(new URL("http://a/"))`, "http://a/|http://a|http:|||a|a||/||"},
		{"empty query and fragment", `return (` + all + `)(new URL("http://a/?#"))`, "http://a/?#|http://a|http:|||a|a||/||"},
		{"the parts of a URL with everything", `return (` + all + `)(new URL("HTTPS://us%40er:p@EXAMPLE.com:443/a/../b c?q='#f g"))`, "https://us%40er:p@example.com/b%20c?q=%27#f%20g|https://example.com|https:|us%40er|p|example.com|example.com||/b%20c|?q=%27|#f%20g"},
		{"an opaque path", `return (` + all + `)(new URL("mailto:a@b"))`, "mailto:a@b|null|mailto:||||||a@b||"},
		{"a relative URL", `return new URL("../x?y", "http://a/b/c/d").href`, "http://a/b/x?y"},
		{"a base that is a URL object", `return new URL("x", new URL("http://a/b")).href`, "http://a/x"},
		{"the origin of a blob", `return new URL("blob:https://a.com/1").origin`, "https://a.com"},
		{"not a URL", `new URL("nope")`, "rejects TypeError: Invalid URL string."},
		{"not a base", `new URL("x", "y")`, "rejects TypeError: Invalid URL string."},
		{"canParse", `return [URL.canParse("http://a"), URL.canParse("a"), URL.canParse("a", "http://b")].join()`, "true,false,true"},
		{"parse", `return URL.parse("http://a").href + URL.parse("a")`, "http://a/null"},
		{"toString and toJSON", "return `${new URL('http://a')}` + JSON.stringify(new URL('http://b'))", `http://a/"http://b/"`},
		{"punycode", `return new URL("http://m\u00fcnchen.de/").hostname`, "xn--mnchen-3ya.de"},
		{"IPv6", `return new URL("http://[::1]:80/").host`, "[::1]"},
		{"IPv4 in hex", `return new URL("http://0x7f.1/").host`, "127.0.0.1"},
		{"set href", `const u = new URL("http://a/"); u.href = "http://b/c"; return u.href`, "http://b/c"},
		{"set href to nonsense", `const u = new URL("http://a/"); u.href = "b"`, "rejects TypeError: Invalid URL string."},
		{"set protocol", `const u = new URL("http://a/"); u.protocol = "https"; return u.href`, "https://a/"},
		{"set protocol to one that does not fit", `const u = new URL("http://a/"); u.protocol = "foo"; return u.href`, "http://a/"},
		{"set username and password", `const u = new URL("http://a/"); u.username = "x y"; u.password = "z"; return u.href`, "http://x%20y:z@a/"},
		{"set host", `const u = new URL("http://a:1/"); u.host = "b:2"; return u.href`, "http://b:2/"},
		{"set hostname", `const u = new URL("http://a:1/"); u.hostname = "b"; return u.href`, "http://b:1/"},
		{"set port", `const u = new URL("http://a:1/"); u.port = "80"; return u.href`, "http://a/"},
		{"set pathname", `const u = new URL("http://a/?q"); u.pathname = "x y"; return u.href`, "http://a/x%20y?q"},
		{"set search", `const u = new URL("http://a/#h"); u.search = "x=y z"; return u.href`, "http://a/?x=y%20z#h"},
		{"set search to nothing", `const u = new URL("http://a/?x#h"); u.search = ""; return u.href`, "http://a/#h"},
		{"set hash", `const u = new URL("http://a/"); u.hash = "x"; return u.href`, "http://a/#x"},
		{"set hash to nothing", `const u = new URL("http://a/#x"); u.hash = ""; return u.href`, "http://a/"},
		{"searchParams is one object", `const u = new URL("http://a/?x=1"); return String(u.searchParams === u.searchParams)`, "true"},
		{"searchParams changes the URL", `const u = new URL("http://a/?x=1"); u.searchParams.append("y", "a b"); return u.href`, "http://a/?x=1&y=a+b"},
		{"search changes searchParams", `const u = new URL("http://a/?x=1"); const p = u.searchParams; u.search = "?z=2"; return p.get("z") + p.get("x")`, "2null"},
		{"href changes searchParams", `const u = new URL("http://a/?x=1"); const p = u.searchParams; u.href = "http://b/?q=3"; return p.toString()`, "q=3"},
		{"get from a plain URL", `return ["x", "y", "z", "no", ""].map(n => String(new URL("http://a:81/p/q?x=1&y=%41+b&x=2&&z#h?n=5").searchParams.get(n))).join()`, "1,A b,,null,null"},
		{"get without a query", `return [new URL("http://a/?"), new URL("http://a/"), new URL("http://a/#?x=1")].map(u => String(u.searchParams.get("x"))).join()`, "null,null,null"},
		{"get is right for what is not ASCII", `return [new URL("http://a/?%C3%A9=1&e=%C3%A9").searchParams.get("\u00e9"), new URLSearchParams("\u00e9=2").get("\u00e9"), new URL("http://a/?e=%C3%A9").searchParams.get("e")].join()`, "1,2,\u00e9"},
		{"get is right for what is not UTF-8", `return [new URL("http://a/?%FF=1").searchParams.get("\ufffd"), new URL("http://a/?a=%FF").searchParams.get("a") === "\ufffd", new URL("http://a/?%FF=1&b=2").searchParams.get("b")].join()`, "1,true,2"},
		{"get and the list agree", `const p = new URL("http://a/?x=1&y=2").searchParams; const first = p.get("y"); p.append("z", 3); return [first, p.get("y"), p.get("z"), p.size, p].join()`, "2,2,3,3,x=1&y=2&z=3"},
		{"searchParams that were looked at follow the URL", `const u = new URL("http://a/?x=1"), p = u.searchParams; p.get("x"); u.pathname = "/long/path"; const before = p.get("x"); u.search = ""; return [before, String(p.get("x")), p.size].join()`, "1,null,0"},
		{"emptied searchParams leave no question mark", `const u = new URL("http://a/?x=1"); u.searchParams.delete("x"); return u.href`, "http://a/"},
		{"a lone surrogate is replaced", `return new URL("http://a/\ud800").href`, "http://a/%EF%BF%BD"},
		{"toStringTag", `return Object.prototype.toString.call(new URL("http://a"))`, "[object URL]"},
	})
}

func TestURLSearchParams(t *testing.T) {
	cases(t, []jsCase{
		{"from a string", `return JSON.stringify([...new URLSearchParams("?a=1&b=2&a=3&&c")])`, `[["a","1"],["b","2"],["a","3"],["c",""]]`},
		{"plus is a space, %2B is a plus", `return JSON.stringify([...new URLSearchParams("a=1+2%2B3")])`, `[["a","1 2+3"]]`},
		{"a broken escape stays", `return JSON.stringify([...new URLSearchParams("a=%zz%4")])`, `[["a","%zz%4"]]`},
		{"broken UTF-8 is replaced", `return new URLSearchParams("a=%E2%82x").get("a")`, "\uFFFDx"},
		{"from a record", `return new URLSearchParams({a: 1, b: "x y"}).toString()`, "a=1&b=x+y"},
		{"from pairs", `return new URLSearchParams([["a", 1], ["b", 2]]).toString()`, "a=1&b=2"},
		{"from itself", `return new URLSearchParams(new URLSearchParams("a=1")).toString()`, "a=1"},
		{"a pair of three is refused", `new URLSearchParams([["a", "b", "c"]])`, "rejects TypeError: URLSearchParams: each entry must be a pair of a name and a value"},
		{"what is escaped", `return new URLSearchParams([["a", "*-._ ~!'()é"]]).toString()`, "a=*-._+%7E%21%27%28%29%C3%A9"},
		{"get and getAll", `const p = new URLSearchParams("a=1&a=2"); return p.get("a") + p.getAll("a") + p.get("b")`, "11,2null"},
		{"has with a value", `const p = new URLSearchParams("a=1&a=2"); return [p.has("a", "2"), p.has("a", "3"), p.has("a", undefined)].join()`, "true,false,true"},
		{"delete with a value", `const p = new URLSearchParams("a=1&a=2&b=3"); p.delete("a", "1"); return p.toString()`, "a=2&b=3"},
		{"set keeps the first place", `const p = new URLSearchParams("a=1&b=2&a=3"); p.set("a", "4"); p.set("c", "5"); return p.toString()`, "a=4&b=2&c=5"},
		{"sort is stable and by units", `const p = new URLSearchParams("z=1&\u{1f600}=2&\uffff=3&z=0&a=9"); p.sort(); return JSON.stringify([...p.keys()]) + p.getAll("z")`, `["a","z","z","😀","` + "\uffff" + `"]1,0`},
		{"size", `return String(new URLSearchParams("a=1&b=2").size)`, "2"},
		{"forEach", `let s = ""; new URLSearchParams("a=1&b=2").forEach((v, k) => s += k + v); return s`, "a1b2"},
		{"an iterator is live", `const p = new URLSearchParams("a=1&b=2"); const s = []; for (const [k] of p) { s.push(k); p.delete("b") } return s.join()`, "a"},
		{"append needs two arguments", `new URLSearchParams().append("a")`, "rejects TypeError: URLSearchParams.append needs a name and a value"},
		{"null and undefined are names", `const p = new URLSearchParams(); p.append(null, undefined); return p.toString()`, "null=undefined"},
		{"lone surrogates are replaced", `return new URLSearchParams([["a", "\ud800"]]).get("a")`, "\uFFFD"},
	})
}

// plainSeeds are URLs on and around the edge of what is plain.
var plainSeeds = []string{
	"http://localhost:8787/room/lobby?user=42", "https://example.com/", "http://a/?#", "http://127.0.0.1:80/", "http://1.2.3/", "http://a.1/",
	"http://0x7f/", "http://a..b/", "http://a./", "http://-a/", "http://a-/", "http://xn--a/", "http://a/./b", "http://a/%2e%2e/b", "http://a/.b",
	"http://a/b/..", "http://a:0/", "http://a:65536/", "http://a:443/", "https://a:443/", "https://a:80/", "http://a:08/", "http://a/^|{}`", "http://a/?'",
	"http://a/#`", "http://u@a/", "http://a\\b", "HTTP://a/", "http://A/", "http://a", "http:/a/", "http://a_b/", "http://a/b;c=1,2/@:x!$&'()*+~-_.[]",
	"http://a%41/", "http://a/%", "http://a/%2", "http://a/%2f", "http://256.1.1.1/", "http://1.1.1.01/", "http://a/\t", "http://a/ ", "http://a/é",
}

func checkPlain(t *testing.T, s string) {
	t.Helper()
	b := make([]byte, 0, len(s))
	for _, c := range s { // as the engine has it: one unit a character
		if c > 0xff {
			return
		}
		b = append(b, byte(c))
	}
	e, ok := scanPlainURL(b)
	if !ok {
		return
	}
	u, valid := parseURL(s, "", false)
	if !valid {
		t.Fatalf("%q is plain, but not a URL", s)
	}
	scheme := "http:"
	if e.https {
		scheme = "https:"
	}
	port := ""
	if e.host > e.hostname {
		port = s[e.hostname+1 : e.host]
	}
	one := func(s string) string { // what a getter shows of a part that is only its mark
		if len(s) < 2 {
			return ""
		}
		return s
	}
	got := []string{s, scheme, "", "", s[len(scheme)+2 : e.hostname], port, s[e.host:e.path], one(s[e.path:e.search]), one(s[e.search:])}
	want := []string{u.Href(false), u.Protocol(), u.Username(), u.Password(), u.Hostname(), u.Port(), u.Pathname(), u.Search(), u.Hash()}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%q: part %d is %q, the parser says %q", s, i, got[i], want[i])
		}
	}
}

func TestPlainURLSeeds(t *testing.T) {
	plain := 0
	for _, s := range plainSeeds {
		checkPlain(t, s)
		if _, ok := scanPlainURL([]byte(s)); ok {
			plain++
		}
	}
	if plain != 9 {
		t.Errorf("%d of the seeds are plain, want 9", plain)
	}
}

// TestPlainURLRandom builds URLs out of pieces that matter, which bytes alone seldom hit.
func TestPlainURLRandom(t *testing.T) {
	seed := rand.Int63()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewSource(seed))
	pieces := strings.Split("http:// https:// a b example.com . .. / // ? # : 80 443 8080 0 1 127.0.0.1 255 256 - -- xn-- %2e %2E %41 % @ ' \" ` ^ | { } [ ] \\ < > A Z _ ~ ! $ & ( ) * + , ; = é 0x 0xff 00", " ")
	for range 20000 {
		var b strings.Builder
		b.WriteString(pieces[rng.Intn(2)])
		for range rng.Intn(8) + 1 {
			b.WriteString(pieces[rng.Intn(len(pieces))])
		}
		checkPlain(t, b.String())
	}
}

func FuzzPlainURL(f *testing.F) {
	for _, s := range plainSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkPlain(t, s) })
}

func FuzzQuery(f *testing.F) {
	f.Add("a=1&b=%20+&=&&c")
	in := &Instance{}
	f.Fuzz(func(t *testing.T, q string) {
		var pairs []string
		_ = in.parseQuery([]byte(q), func(name, value []byte) error {
			pairs = append(pairs, string(name), string(value))
			return nil
		})
		var text []byte
		for i, s := range pairs {
			if i%2 == 1 {
				text = append(text, '=')
			} else if i > 0 {
				text = append(text, '&')
			}
			text = appendFormEncoded(text, []byte(s))
		}
		n := 0
		_ = in.parseQuery(text, func(name, value []byte) error {
			if n+1 >= len(pairs) || string(name) != pairs[n] || string(value) != pairs[n+1] {
				t.Fatalf("%q was written as %q and read differently", q, text)
			}
			n += 2
			return nil
		})
		// A pair of two empty strings is written as "=", which is read again; so none is lost.
		if n != len(pairs) {
			t.Fatalf("%q: %d of %d strings came back", q, n, len(pairs))
		}
	})
}
