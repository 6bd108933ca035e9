package web

import (
	"strings"

	whatwg "github.com/nlnwa/whatwg-url/url"

	"everloop/engine/js/internal/vm"
)

// dummyURL is what a piece of a pattern is set on, to see what the URL parser makes of it.
const dummyURL = "https://dummy.invalid/"

// canonicalPart encodes a piece of a component, which is not empty, as a URL has it (URL Pattern standard, section 3.1). protocol is for ports
// alone, and may be empty. ok is false for what cannot be in such a component.
func canonicalPart(component, value, protocol string) (_ string, ok bool) {
	if component == "protocol" {
		u, ok := parseURL(value+"://dummy.invalid/", "", false)
		if !ok {
			return "", false
		}
		return u.Scheme(), true
	}
	if component == "ipv6" {
		return canonicalIPv6(value)
	}
	u, ok := parseURL(dummyURL, "", false)
	if !ok {
		return "", false
	}
	switch component {
	case "username":
		u.SetUsername(value)
		return u.Username(), true
	case "password":
		u.SetPassword(value)
		return u.Password(), true
	case "hostname":
		if i := strings.IndexAny(value, "[:/?#\\"); i >= 0 && value[i] == ':' {
			return "", false // a port is no part of it
		}
		if _, err := urlParser.BasicParser(value, nil, u, whatwg.StateHostname); err != nil {
			return "", false
		}
		return u.Hostname(), true
	case "port":
		return canonicalPort(value, protocol)
	case "pathname":
		// A piece of a path need not begin with a slash, which the parser would add: it gets one that is taken away again.
		const lead = "/-"
		if strings.HasPrefix(value, "/") {
			u.SetPathname(value)
			return u.Pathname(), true
		}
		u.SetPathname(lead + value)
		return strings.TrimPrefix(u.Pathname(), lead), true
	case "opaque":
		if u, ok = parseURL("dummy:", "", false); !ok {
			return "", false
		}
		if _, err := urlParser.BasicParser(value, nil, u, whatwg.StateOpaquePath); err != nil {
			return "", false
		}
		return u.Pathname(), true
	case "search":
		u.SetSearch("?" + value)
		return strings.TrimPrefix(u.Search(), "?"), true
	case "hash":
		u.SetHash("#" + value)
		return strings.TrimPrefix(u.Hash(), "#"), true
	}
	return "", false
}

func canonicalIPv6(value string) (string, bool) {
	for _, c := range []byte(value) {
		if unhex(c) > 15 && c != '[' && c != ']' && c != ':' {
			return "", false
		}
	}
	return strings.ToLower(value), true
}

// canonicalPort drops leading zeros, and a port that the protocol has anyway.
func canonicalPort(value, protocol string) (string, bool) {
	if protocol == "" {
		protocol = "dummy" // which has no port of its own
	}
	u, ok := parseURL(protocol+"://dummy.invalid/", "", false)
	if !ok {
		return "", false
	}
	if _, err := urlParser.BasicParser(value, nil, u, whatwg.StatePort); err != nil {
		return "", false
	}
	return u.Port(), true
}

var (
	// patternPart(component, value, protocol): the value encoded, or null.
	_ = register("patternPart", 3, func(in *Instance, args vm.Args) (vm.Value, error) {
		out, ok := canonicalPart(in.r.GoString(args.At(0)), in.r.GoString(args.At(1)), in.r.GoString(args.At(2)))
		if !ok {
			return vm.Null, nil
		}
		return in.r.String(out)
	})
	// urlWhole(text, base): the parts, or null; base may be undefined.
	_ = register("urlWhole", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		base := args.At(1)
		u, ok := parseURL(in.r.GoString(args.At(0)), in.r.GoString(base), !base.IsUndefined())
		if !ok {
			return vm.Null, nil
		}
		return in.urlParts(u)
	})
)
