package engine

import (
	"sync"
	"sync/atomic"
)

// Message is one message of a WebSocket. It must not be changed once it is sent: the same Message may be on its way to any
// number of sockets, on several loops. Safe for concurrent use.
type Message struct {
	// Text says that Data is text, which then is valid UTF-8.
	Text bool
	Data []byte

	mu    sync.Mutex // for making forms
	forms [messageForms]atomic.Pointer[[]byte]
}

// messageForms is the number of encodings that a Message remembers.
const messageForms = 2

// TextMessage returns a message of text, which must be valid UTF-8.
func TextMessage(text string) *Message { return &Message{Text: true, Data: []byte(text)} }

// BinaryMessage returns a message of bytes, which must not be changed afterwards.
func BinaryMessage(data []byte) *Message { return &Message{Data: data} }

// Encoded returns what encode makes of the message, and remembers it for all further calls with the same form: what goes to a
// thousand sockets is encoded once. A transport uses form 0 for the plain frame and form 1 for the compressed one. The result must not be
// changed. encode is called while others wait for the same, so it must not block.
func (m *Message) Encoded(form int, encode func(*Message) []byte) []byte {
	if b := m.forms[form].Load(); b != nil {
		return *b
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.forms[form].Load(); b != nil {
		return *b
	}
	b := encode(m)
	m.forms[form].Store(&b)
	return b
}
