package ws

// Field is one header field: a name and a value, the same type as proto/http's.
type Field = struct{ Name, Value string }

// Refusal is why a handshake cannot be made.
type Refusal struct {
	// Status is what a server answers: 400, or 426 with the fields of [Refusal.AppendFields]. For an answer that a client refuses it is 502.
	Status int
	// Reason says what is wrong; it may be sent to the peer.
	Reason string
}

// Error returns the text with the package's name before it.
func (e *Refusal) Error() string { return "ws: " + e.Reason }

// AppendFields appends what the answer to a refused request has to say beside its status: for 426 which protocol, in which version.
func (e *Refusal) AppendFields(fields []Field) []Field { return fields }

// Handshake is a client's request to open a WebSocket, checked.
type Handshake struct {
	// Protocols are the subprotocols that the client would speak, as it prefers them.
	Protocols []string
	// Deflate is what is agreed if the answer is made with compression.
	Deflate Deflate

	key        string
	extensions string
}

// ReadRequest checks a request by RFC 6455, 4.2.1. The error is always a [*Refusal].
func ReadRequest(method string, http10 bool, fields []Field) (*Handshake, error) {
	return nil, &Refusal{}
}

// AppendAnswer appends the fields of the answer, whose status is 101 (RFC 6455, 4.2.2): upgrade, connection, sec-websocket-accept, and, if
// deflate is set and was agreed, sec-websocket-extensions. A subprotocol is the program's to choose, and not among them.
func (h *Handshake) AppendAnswer(fields []Field, deflate bool) []Field { return fields }

// NewKey makes the key of a client's request of 16 random bytes (RFC 6455, 4.1).
func NewKey(random [16]byte) string { return "" }

// AppendRequest appends the fields of a client's request (RFC 6455, 4.1), beside host, to be sent with GET. protocols are subprotocols as
// the client prefers them; deflate offers compression.
func AppendRequest(fields []Field, key string, protocols []string, deflate bool) []Field {
	return fields
}

// Answer is what a server has agreed to.
type Answer struct {
	Protocol string // "" for none
	Deflate  Deflate
}

// ReadAnswer checks a server's answer to a request made by [AppendRequest] with the same arguments (RFC 6455, 4.1). The
// error is always a [*Refusal].
func ReadAnswer(status int, fields []Field, key string, protocols []string, deflate bool) (Answer, error) {
	return Answer{}, &Refusal{}
}

// ValidProtocol reports whether name can be a subprotocol's: a token (RFC 6455, 4.1).
func ValidProtocol(name string) bool { return false }
