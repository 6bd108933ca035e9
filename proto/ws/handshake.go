package ws

import (
	"crypto/sha1" //nolint:gosec // RFC 6455 wants it, to show that the server has read the request, not as a secret
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// Field is one header field: a name and a value. It is an alias of a plain struct type, the same as proto/http's, so that
// lists of fields go from one to the other without a copy.
type Field = struct{ Name, Value string }

// Names and values of a handshake's fields.
const (
	fieldHost       = "host"
	fieldUpgrade    = "upgrade"
	fieldConnection = "connection"
	fieldKey        = "sec-websocket-key"
	fieldAccept     = "sec-websocket-accept"
	fieldVersion    = "sec-websocket-version"
	fieldProtocol   = "sec-websocket-protocol"
	fieldExtensions = "sec-websocket-extensions"

	protocolName = "websocket"
	version      = "13"
)

// Refusal is why a handshake was not made. The values are shared and never changed; safe for concurrent use.
type Refusal struct {
	// Status is what a server answers: 400, or 426 with what [Refusal.AppendFields] says. For an answer that a client
	// refuses it is 502.
	Status int
	// Reason says what is wrong, in a form that may be sent to the peer: it holds nothing of the request.
	Reason string
}

// Error returns the text with the package's name before it.
func (e *Refusal) Error() string { return "ws: " + e.Reason }

// AppendFields appends the fields that belong to the status: for 426 which protocol is spoken here, in which version (RFC
// 6455, 4.2.2 and 4.4; RFC 9110, 15.5.22).
func (e *Refusal) AppendFields(fields []Field) []Field {
	if e.Status != http.StatusUpgradeRequired {
		return fields
	}
	return append(fields, Field{fieldUpgrade, protocolName}, Field{fieldConnection, "Upgrade"}, Field{fieldVersion, version})
}

func refuse(status int, reason string) *Refusal { return &Refusal{Status: status, Reason: reason} }

// What is refused of requests. The sections are RFC 6455's.
var (
	errMethod       = refuse(http.StatusBadRequest, "a WebSocket is opened by GET (RFC 6455, 4.2.1)")
	errHTTP10       = refuse(http.StatusBadRequest, "a WebSocket is opened by HTTP/1.1 (RFC 6455, 4.2.1)")
	errHost         = refuse(http.StatusBadRequest, "a WebSocket's request has one host (RFC 6455, 4.2.1)")
	errUpgrade      = refuse(http.StatusUpgradeRequired, "the request has no upgrade: websocket (RFC 6455, 4.2.1)")
	errConnection   = refuse(http.StatusBadRequest, "the request has no connection: upgrade (RFC 6455, 4.2.1)")
	errVersion      = refuse(http.StatusUpgradeRequired, "only version 13 of WebSocket is spoken here (RFC 6455, 4.2.2)")
	errKey          = refuse(http.StatusBadRequest, "sec-websocket-key is not 16 bytes in base64 (RFC 6455, 4.2.1)")
	errProtocols    = refuse(http.StatusBadRequest, "sec-websocket-protocol is not a list of tokens (RFC 6455, 4.1)")
	errBadExtension = refuse(http.StatusBadRequest, "sec-websocket-extensions is not a list of extensions (RFC 6455, 9.1)")
)

// What is refused of answers.
var (
	errStatus         = refuse(http.StatusBadGateway, "the server did not switch to WebSocket (RFC 6455, 4.1)")
	errAnswerUpgrade  = refuse(http.StatusBadGateway, "the answer has no upgrade: websocket (RFC 6455, 4.1)")
	errAnswerConn     = refuse(http.StatusBadGateway, "the answer has no connection: upgrade (RFC 6455, 4.1)")
	errAccept         = refuse(http.StatusBadGateway, "sec-websocket-accept does not fit the key (RFC 6455, 4.1)")
	errAnswerProtocol = refuse(http.StatusBadGateway, "the server chose a subprotocol that was not offered (RFC 6455, 4.1)")
	errAnswerList     = refuse(http.StatusBadGateway, "the server's sec-websocket-extensions is not a list of extensions (RFC 6455, 9.1)")
	errAnswerExt      = refuse(http.StatusBadGateway, "the server uses an extension that was not offered (RFC 6455, 4.1)")
	errAnswerParams   = refuse(http.StatusBadGateway, "the server's permessage-deflate has parameters that were not offered (RFC 7692, 7.1)")
)

// Handshake is a client's request to open a WebSocket that has been checked. It is never changed.
type Handshake struct {
	// Protocols are the subprotocols that the client can speak, each once, in its order of preference.
	Protocols []string
	// Deflate is what is agreed if the answer is made with compression.
	Deflate Deflate

	key        string
	extensions string // the answer's sec-websocket-extensions
}

// ReadRequest checks a request by RFC 6455, 4.2.1. Names of fields may be in any case. The error is always a
// [*Refusal].
func ReadRequest(method string, http10 bool, fields []Field) (*Handshake, error) {
	var (
		h                     Handshake
		hosts, keys, versions int
		version13             bool
		offers                []string
	)
	for _, f := range fields {
		switch {
		case strings.EqualFold(f.Name, fieldHost):
			hosts++
		case strings.EqualFold(f.Name, fieldKey):
			h.key = f.Value
			keys++
		case strings.EqualFold(f.Name, fieldVersion):
			version13 = f.Value == version
			versions++
		case strings.EqualFold(f.Name, fieldExtensions):
			offers = append(offers, f.Value)
		case strings.EqualFold(f.Name, fieldProtocol):
			for name := range strings.SplitSeq(f.Value, ",") {
				name = strings.Trim(name, " \t")
				if !ValidProtocol(name) {
					return nil, errProtocols
				}
				if !slices.Contains(h.Protocols, name) {
					h.Protocols = append(h.Protocols, name)
				}
			}
		}
	}
	switch {
	case method != http.MethodGet:
		return nil, errMethod
	case http10:
		return nil, errHTTP10
	case !hasToken(fields, fieldUpgrade, protocolName):
		return nil, errUpgrade
	case !hasToken(fields, fieldConnection, fieldUpgrade):
		return nil, errConnection
	case hosts != 1:
		return nil, errHost
	case versions != 1 || !version13:
		return nil, errVersion
	case keys != 1 || !validKey(h.key):
		return nil, errKey
	}
	var err error
	if h.Deflate, h.extensions, err = NegotiateDeflate(offers...); err != nil {
		return nil, errBadExtension
	}
	return &h, nil
}

// AppendAnswer appends the fields of the answer, whose status is 101 (RFC 6455, 4.2.2): upgrade, connection,
// sec-websocket-accept, and, if deflate is set and compression was agreed, sec-websocket-extensions. A subprotocol is the program's
// to choose, and not among them.
func (h *Handshake) AppendAnswer(fields []Field, deflate bool) []Field {
	fields = append(fields, Field{fieldUpgrade, protocolName}, Field{fieldConnection, "Upgrade"}, Field{fieldAccept, acceptKey(h.key)})
	if deflate && h.Deflate.Agreed() {
		fields = append(fields, Field{fieldExtensions, h.extensions})
	}
	return fields
}

// NewKey makes the key of a client's request of 16 random bytes (RFC 6455, 4.1).
func NewKey(random [16]byte) string { return base64.StdEncoding.EncodeToString(random[:]) }

func validKey(key string) bool {
	var b [18]byte
	if len(key) != 24 {
		return false
	}
	n, err := base64.StdEncoding.Decode(b[:], []byte(key))
	return err == nil && n == 16
}

// acceptKey answers a key (RFC 6455, 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// AppendRequest appends the fields of a client's request beside host, to be sent with GET (RFC 6455, 4.1). key is of
// [NewKey]. protocols are subprotocols in order of preference, each once and a [ValidProtocol]. deflate offers compression.
func AppendRequest(fields []Field, key string, protocols []string, deflate bool) []Field {
	fields = append(fields, Field{fieldUpgrade, protocolName}, Field{fieldConnection, "Upgrade"}, Field{fieldKey, key}, Field{fieldVersion, version})
	if len(protocols) > 0 {
		fields = append(fields, Field{fieldProtocol, strings.Join(protocols, ", ")})
	}
	if deflate {
		fields = append(fields, Field{fieldExtensions, OfferDeflate})
	}
	return fields
}

// Answer is what a server has agreed to.
type Answer struct {
	// Protocol is the subprotocol that it chose, "" for none.
	Protocol string
	// Extensions is the value of its sec-websocket-extensions, "" for none.
	Extensions string
	// Deflate is what was agreed of compression.
	Deflate Deflate
}

// ReadAnswer checks a server's answer to a request made by [AppendRequest] with the same arguments (RFC 6455, 4.1). Names of
// fields may be in any case. The error is always a [*Refusal].
func ReadAnswer(status int, fields []Field, key string, protocols []string, deflate bool) (Answer, error) {
	var (
		a       Answer
		accepts int
		accept  string
		chosen  []string
		answers []string
	)
	for _, f := range fields {
		switch {
		case strings.EqualFold(f.Name, fieldAccept):
			accept = strings.Trim(f.Value, " \t")
			accepts++
		case strings.EqualFold(f.Name, fieldProtocol):
			chosen = append(chosen, f.Value)
		case strings.EqualFold(f.Name, fieldExtensions):
			answers = append(answers, f.Value)
		}
	}
	switch {
	case status != http.StatusSwitchingProtocols:
		return a, errStatus
	case !hasToken(fields, fieldUpgrade, protocolName):
		return a, errAnswerUpgrade
	case !hasToken(fields, fieldConnection, fieldUpgrade):
		return a, errAnswerConn
	case accepts != 1 || accept != acceptKey(key):
		return a, errAccept
	case len(chosen) > 1 || len(chosen) == 1 && !slices.Contains(protocols, chosen[0]):
		return a, errAnswerProtocol
	}
	d, err := AcceptDeflate(answers...)
	switch {
	case errors.Is(err, errExtensions):
		return a, errAnswerList
	case errors.Is(err, errParameters) && deflate:
		return a, errAnswerParams
	case err != nil, d.Agreed() && !deflate:
		return a, errAnswerExt
	}
	if len(chosen) > 0 {
		a.Protocol = chosen[0]
	}
	a.Extensions, a.Deflate = strings.Join(answers, ", "), d
	return a, nil
}

// ValidProtocol reports whether name can be a subprotocol's: a token (RFC 6455, 4.1).
func ValidProtocol(name string) bool {
	for i := range len(name) {
		if !isToken(name[i]) {
			return false
		}
	}
	return name != ""
}

// hasToken reports whether a field of that name lists token, in any case.
func hasToken(fields []Field, name, token string) bool {
	for _, f := range fields {
		if !strings.EqualFold(f.Name, name) {
			continue
		}
		for t := range strings.SplitSeq(f.Value, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}
