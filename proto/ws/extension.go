package ws

import (
	"errors"
	"strconv"
	"strings"
)

// The extension of RFC 7692, and its parameters (7.1).
const (
	permessageDeflate       = "permessage-deflate"
	serverNoContextTakeover = "server_no_context_takeover"
	clientNoContextTakeover = "client_no_context_takeover"
	serverMaxWindowBits     = "server_max_window_bits"
	clientMaxWindowBits     = "client_max_window_bits"
)

// OfferDeflate is what a client offers in sec-websocket-extensions: the server is asked to take no context over, so that no
// window is kept for an idle connection, and told that the client does not either.
const OfferDeflate = permessageDeflate + "; " + serverNoContextTakeover + "; " + clientNoContextTakeover

var (
	errExtensions = errors.New("ws: sec-websocket-extensions is not a list of extensions (RFC 6455, 9.1)")
	errNotOffered = errors.New("ws: the server uses an extension that was not offered (RFC 6455, 4.1)")
	errParameters = errors.New("ws: the server answers permessage-deflate with parameters that were not offered (RFC 7692, 7.1)")
)

// NegotiateDeflate chooses among a client's offers, the values of its sec-websocket-extensions fields, the first that
// can be kept to. It returns what is agreed, and the value of the answer's field: "" if nothing is. An offer that has a
// parameter twice, an unknown one or one with a wrong value is passed over (RFC 7692, 7.1); other extensions are, too. A value
// that is no list of extensions is an error, and fails the handshake (RFC 6455, 9.1).
func NegotiateDeflate(offers ...string) (d Deflate, answer string, err error) {
	for _, value := range offers {
		extensions, ok := parseExtensions(value)
		if !ok {
			return 0, "", errExtensions
		}
		for _, e := range extensions {
			p, ok := e.deflate()
			if !ok || d != 0 {
				continue
			}
			// The client may forbid us the context of earlier messages, or a large window. We take no context over in
			// any case, and say so, and forbid it the client, which has to comply (7.1.1.2). How large its window is does
			// not matter then.
			d, answer = FullWindow, OfferDeflate
			if p.serverBits != 0 {
				d, answer = p.serverBits, answer+"; "+serverMaxWindowBits+"="+strconv.Itoa(int(p.serverBits))
			}
		}
	}
	return d, answer, nil
}

// AcceptDeflate checks a server's answer to [OfferDeflate], the values of its sec-websocket-extensions fields. That nothing is
// agreed is no error; an answer to what was not offered is.
func AcceptDeflate(answers ...string) (Deflate, error) {
	var d Deflate
	for _, value := range answers {
		extensions, ok := parseExtensions(value)
		if !ok {
			return 0, errExtensions
		}
		for _, e := range extensions {
			if e.name != permessageDeflate || d != 0 {
				return 0, errNotOffered
			}
			p, ok := e.deflate()
			// A window of the server's may be announced unasked; ours may not be limited, as we did not offer that
			// (7.1.2). The server has to agree to take no context over (7.1.1.1).
			if !ok || p.clientBits || !p.serverNoContext {
				return 0, errParameters
			}
			d = FullWindow
		}
	}
	return d, nil
}

// deflateParameters are the parameters of one offer or answer of permessage-deflate.
type deflateParameters struct {
	serverNoContext, clientNoContext, clientBits bool
	serverBits                                   Deflate // 0 without the parameter
}

// deflate reads e, and reports whether it is permessage-deflate with parameters that can be agreed on.
func (e extension) deflate() (p deflateParameters, ok bool) {
	if e.name != permessageDeflate {
		return p, false
	}
	for _, a := range e.parameters {
		bits := windowBits(a.value)
		switch {
		case a.name == serverNoContextTakeover && !a.valued && !p.serverNoContext:
			p.serverNoContext = true
		case a.name == clientNoContextTakeover && !a.valued && !p.clientNoContext:
			p.clientNoContext = true
		case a.name == serverMaxWindowBits && bits != 0 && p.serverBits == 0:
			p.serverBits = bits
		case a.name == clientMaxWindowBits && (bits != 0 || !a.valued) && !p.clientBits:
			p.clientBits = true
		default:
			return p, false
		}
	}
	return p, true
}

// windowBits reads a number from 8 to 15 without leading zeros, or returns 0 (RFC 7692, 7.1.2).
func windowBits(s string) Deflate {
	switch s {
	case "8", "9":
		return Deflate(s[0] - '0')
	case "10", "11", "12", "13", "14", "15":
		return Deflate(10 + s[1] - '0')
	}
	return 0
}

// extension is one element of a sec-websocket-extensions field.
type extension struct {
	name       string
	parameters []parameter
}

type parameter struct {
	name, value string
	valued      bool // "name=value", not just "name"
}

// parseExtensions reads a value of a sec-websocket-extensions field (RFC 6455, 9.1). As lists go, elements may be
// empty.
func parseExtensions(value string) (list []extension, ok bool) {
	s := scanner(value)
	for {
		s.space()
		switch {
		case s == "":
			return list, true
		case s.eat(','):
			continue
		}
		e, ok := s.extension()
		if !ok {
			return nil, false
		}
		if list = append(list, e); s != "" && !s.eat(',') {
			return nil, false
		}
	}
}

// scanner is what is left of a field's value.
type scanner string

func (s *scanner) space() { *s = scanner(strings.TrimLeft(string(*s), " \t")) }

func (s *scanner) eat(c byte) bool {
	if *s == "" || (*s)[0] != c {
		return false
	}
	*s = (*s)[1:]
	return true
}

// token takes a token; "" is none.
func (s *scanner) token() string {
	n := 0
	for n < len(*s) && isToken((*s)[n]) {
		n++
	}
	t := string((*s)[:n])
	*s = (*s)[n:]
	return t
}

// extension takes a name and its parameters, and the space behind them.
func (s *scanner) extension() (e extension, ok bool) {
	if e.name = s.token(); e.name == "" {
		return e, false
	}
	s.space()
	for s.eat(';') {
		s.space()
		p := parameter{name: s.token()}
		if p.name == "" {
			return e, false
		}
		s.space()
		if p.valued = s.eat('='); p.valued {
			s.space()
			if p.value, ok = s.value(); !ok {
				return e, false
			}
			s.space()
		}
		e.parameters = append(e.parameters, p)
	}
	return e, true
}

// value takes a token, or a quoted string that has the form of a token once it is unquoted (RFC 6455, 9.1).
func (s *scanner) value() (string, bool) {
	if !s.eat('"') {
		t := s.token()
		return t, t != ""
	}
	var t []byte
	for *s != "" {
		c := (*s)[0]
		switch *s = (*s)[1:]; {
		case c == '"':
			return string(t), len(t) > 0
		case c == '\\':
			if *s == "" {
				return "", false
			}
			c = (*s)[0]
			*s = (*s)[1:]
		}
		if !isToken(c) {
			return "", false
		}
		t = append(t, c)
	}
	return "", false
}

// isToken reports whether c is a tchar (RFC 9110, 5.6.2).
func isToken(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
