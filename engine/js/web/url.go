package web

import (
	"strings"
	"unsafe"

	whatwg "github.com/nlnwa/whatwg-url/url"

	"everloop/engine/js/internal/vm"
)

// urlParser is the parser for what is not plain. It is safe for concurrent use. It is older than the standard's escape of ^ in paths.
var urlParser = whatwg.NewParser(whatwg.WithPathPercentEncodeSet(whatwg.PathPercentEncodeSet.Set('^')))

func parseURL(s, base string, hasBase bool) (*whatwg.Url, bool) {
	s = escapeOpaqueEnd(s)
	var u *whatwg.Url
	var err error
	if hasBase {
		u, err = urlParser.ParseRef(base, s)
	} else {
		u, err = urlParser.Parse(s)
	}
	return u, err == nil
}

// escapeOpaqueEnd escapes the last of the spaces that end an opaque path before a query or fragment, as in "data:x ?y". The standard
// does so since 2025, and the parser does not.
func escapeOpaqueEnd(s string) string {
	end := strings.IndexAny(s, "?#")
	if end <= 0 || !strings.Contains(s[:end], " ") {
		return s
	}
	path := strings.TrimLeftFunc(s[:end], func(c rune) bool { return c <= ' ' })
	path = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(path)
	scheme, rest, ok := strings.Cut(path, ":")
	if !ok || !strings.HasSuffix(rest, " ") || rest[0] == '/' || isSpecialScheme(strings.ToLower(scheme)) || strings.ContainsAny(scheme, "/\\") {
		return s
	}
	return path[:len(path)-1] + "%20" + s[end:]
}

func isSpecialScheme(s string) bool {
	switch s {
	case "http", "https", "ws", "wss", "ftp", "file":
		return true
	}
	return false
}

// urlParts makes the array of a URL's parts, in the order of url.js.
func (in *Instance) urlParts(u *whatwg.Url) (vm.Value, error) {
	return in.strings(u.Href(false), u.Protocol(), u.Username(), u.Password(), u.Hostname(), u.Port(), u.Pathname(), u.Search(), u.Hash())
}

// The parts of a URL by their number in url.js.
const (
	partHref = iota
	partProtocol
	partUsername
	partPassword
	partHostname
	partPort
	partPathname
	partSearch
	partHash
	partHost
	partOrigin
)

// setPart is a setter of URL. It reports whether the URL was one that can be set at all.
func setPart(u *whatwg.Url, part int, v string) {
	switch part {
	case partProtocol:
		u.SetProtocol(v)
	case partUsername:
		u.SetUsername(v)
	case partPassword:
		u.SetPassword(v)
	case partHostname:
		u.SetHostname(v)
	case partPort:
		u.SetPort(v)
	case partPathname:
		u.SetPathname(v)
	case partSearch:
		u.SetSearch(v)
	case partHash:
		u.SetHash(v)
	case partHost:
		u.SetHost(v)
	}
}

var (
	// urlParse(text, base): a number for a plain URL, the parts of another, or null.
	_ = register("urlParse", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		base := args.At(1)
		if base.IsUndefined() {
			if b, ok := in.r.Latin1(args.At(0)); ok {
				if ends, ok := scanPlainURL(b); ok {
					return vm.Float(ends.pack()), nil
				}
			}
		}
		u, ok := parseURL(in.r.GoString(args.At(0)), in.r.GoString(base), !base.IsUndefined())
		if !ok {
			return vm.Null, nil
		}
		return in.urlParts(u)
	})
	// urlPart(text, number, part) is a part of a plain URL, of which urlParse has said the number.
	_ = register("urlPart", 3, func(in *Instance, args vm.Args) (vm.Value, error) {
		text, ok := in.r.Latin1(args.At(0))
		packed, isNumber := args.At(1).Float64()
		part, _ := args.At(2).Int32()
		if !ok || !isNumber {
			return vm.Undefined, errIllegal
		}
		from, to := unpackEnds(packed).part(int(part), len(text))
		return in.r.StringLatin1(text[from:to])
	})
	// urlParts(text): the parts, also of a plain URL, or null.
	_ = register("urlParts", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		u, ok := parseURL(in.r.GoString(args.At(0)), "", false)
		if !ok {
			return vm.Null, nil
		}
		return in.urlParts(u)
	})
	// urlHref(text): the serialisation, or null.
	_ = register("urlHref", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		if b, ok := in.r.Latin1(args.At(0)); ok {
			if _, ok := scanPlainURL(b); ok {
				return in.r.Dup(args.At(0)), nil
			}
		}
		u, ok := parseURL(in.r.GoString(args.At(0)), "", false)
		if !ok {
			return vm.Null, nil
		}
		return in.r.String(u.Href(false))
	})
	// urlSet(href, part, value): the new parts, or null if nothing changed.
	_ = register("urlSet", 3, func(in *Instance, args vm.Args) (vm.Value, error) {
		u, ok := parseURL(in.r.GoString(args.At(0)), "", false)
		if !ok {
			return vm.Null, nil
		}
		part, _ := args.At(1).Int32()
		before := u.Href(false)
		setPart(u, int(part), in.r.GoString(args.At(2)))
		if u.Href(false) == before {
			return vm.Null, nil
		}
		return in.urlParts(u)
	})
)

// CanonicalURL is an absolute URL as the URL standard serialises it, which is how JavaScript sees the URL of a request. A
// text that is no URL stays as it is.
func CanonicalURL(s string) string {
	if _, ok := scanPlainURL(unsafe.Slice(unsafe.StringData(s), len(s))); ok {
		return s
	}
	if u, ok := parseURL(s, "", false); ok {
		return u.Href(false)
	}
	return s
}

// ResolveURL is ref relative to base, as the URL standard has it and without its fragment. ok is false if that is no URL.
func ResolveURL(base, ref string) (_ string, ok bool) {
	u, ok := parseURL(ref, base, true)
	if !ok {
		return "", false
	}
	return u.Href(true), true
}

// SameOrigin reports whether two http(s) URLs, as the URL standard serialises them, have the same scheme, host and port.
func SameOrigin(a, b string) bool { return originOf(a) == originOf(b) }

func originOf(url string) string {
	if i := strings.Index(url, "://"); i >= 0 {
		if j := strings.IndexAny(url[i+3:], "/?#"); j >= 0 {
			return url[:i+3+j]
		}
	}
	return url
}
