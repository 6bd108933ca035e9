package ws

// OfferDeflate is what a client offers in sec-websocket-extensions: the server is asked to take no context over, so
// that no window is kept for an idle connection, and told that the client does not either.
const OfferDeflate = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// NegotiateDeflate chooses among the offers of a client, the values of its sec-websocket-extensions fields. It returns what is agreed,
// and the value of the answer's field: "" if nothing is. A value that is not an extension list fails the handshake (RFC 6455, 9.1).
func NegotiateDeflate(offers ...string) (d Deflate, answer string, err error) {
	return 0, "", nil
}

// AcceptDeflate checks a server's answer to [OfferDeflate], the values of its sec-websocket-extensions fields. Nothing agreed is no error;
// an answer to what was not offered is.
func AcceptDeflate(answers ...string) (Deflate, error) {
	return 0, nil
}
