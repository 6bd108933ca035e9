package web

import (
	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

// Host is what the prelude needs of the engine, for one runtime. It is called on the runtime's loop, inside a turn.
//
// The uint64 values name things of the host: it chose them when it made the handle (see [Instance]) and gets them
// back. A handle that was revoked never reaches the Host: JavaScript gets an error.
//
// An error is thrown in JavaScript: a *vm.Error as its class, anything else as an Error with its text. A []byte or
// string argument named view lives as long as the call only.
type Host interface {
	// Log takes a line of console output. level is "log", "info", "warn", "error" or "debug".
	Log(level, text string)
	// ReportError takes an error that nobody caught, from an event listener or reportError. It is borrowed.
	ReportError(v vm.Value)

	// Now is the time in milliseconds since TimeOrigin, which is in milliseconds since 1970.
	Now() float64
	TimeOrigin() float64
	// TimerStart arranges for [Instance.FireTimer] with the timer's number, after ms milliseconds, once or
	// again and again. Numbers are positive and not reused.
	TimerStart(ms float64, repeat bool) (int64, error)
	// TimerStop forgets a timer. It may have fired already.
	TimerStop(id int64)

	// StructuredClone clones v (borrowed). transfer lists ArrayBuffers to move, each once; nil: none.
	StructuredClone(v vm.Value, transfer []vm.Value) (vm.Value, error)

	// OffLoop runs work on a goroutine of its own and returns a promise, owned by the caller. Afterwards, in a later turn
	// of whoever the running turn belongs to, it calls done and settles the promise with the value, which it consumes, or
	// with the error, as if that had been thrown. If there is no one to come back to, done is never called. While a program starts
	// there are no turns, and in what is left of a turn whose object was reset there are none to come: then work runs at once.
	OffLoop(work func(), done func() (vm.Value, error)) (vm.Value, error)

	NamespaceHost
	StubHost
	FetchHost
	RPCHost
	BodyHost
	ObjectHost
	SocketHost
	StorageHost
}

// NamespaceHost knows the ids of classes.
type NamespaceHost interface {
	// IDFromName is the id of a name, as 64 lower-case hex digits.
	IDFromName(ns uint64, name string) (string, error)
	// CheckID says whether 64 hex digits in lower case are an id of this namespace.
	CheckID(ns uint64, hex string) bool
	// NewUniqueID makes an id that was never seen before.
	NewUniqueID(ns uint64) (string, error)
	// StubByName and StubByID open a stub. It is closed by StubClosed when JavaScript has dropped it. A program may do so
	// at its top level, where it cannot call yet.
	StubByName(ns uint64, name string) (uint64, error)
	StubByID(ns uint64, hex string) (uint64, error)
}

// Redirect says what to do with a response that redirects.
type Redirect uint8

const (
	RedirectFollow Redirect = iota
	RedirectManual
	RedirectError
)

// StubHost sends requests to objects.
type StubHost interface {
	// Fetch sends m to the object of a stub and returns a promise, owned by the caller, which the host resolves with
	// [Instance.Response]. m is the very Message of an incoming request when the program passed it on untouched, and
	// a *Outgoing otherwise; either may be kept.
	// n names it for FetchHost.FetchCancel; 0 for none.
	Fetch(stub uint64, n uint64, m Message, redirect Redirect) (vm.Value, error)
	StubClosed(stub uint64)
}

// FetchHost sends requests out of the process.
type FetchHost interface {
	// FetchOut sends m to where its URL points, in the name of whoever the running turn belongs to, and returns a promise
	// as StubHost.Fetch does. n names it for FetchCancel; 0 for none.
	FetchOut(n uint64, m Message, redirect Redirect) (vm.Value, error)
	// FetchCancel gives up a request whose promise is not settled. It may be settled already.
	FetchCancel(n uint64)
	// WatchCaller arranges for [Instance.CallerLeft] with signal (borrowed), if whoever sent the request m leaves before the whole
	// response is out.
	WatchCaller(m Message, signal vm.Value)
}

// RPCHost sends calls through stubs: of objects, of entry points, and of what programs give away, all of which it knows by
// numbers of one kind.
type RPCHost interface {
	// Send calls what path leads to from the stub with args, an array (borrowed), or reads it where args is Null. An empty path is
	// the thing itself. The result is a promise, owned by the caller.
	Send(stub uint64, path []string, args vm.Value) (vm.Value, error)
	// Pipeline sends a call after another whose promise (borrowed) Send or Pipeline returned, to be made on its result where that is.
	// It returns Null where that is not possible (any more).
	Pipeline(promise vm.Value, path []string, args vm.Value) (vm.Value, error)
	// Export gives v (borrowed) away: as an instance, whose class says what can be called, or, with own, with its own
	// properties. The result is a stub of it.
	Export(v vm.Value, own bool) (uint64, error)
	// DupStub makes another stub of the same thing; DisposeStub ends one. It stays open, and refuses calls.
	DupStub(stub uint64) (uint64, error)
	DisposeStub(stub uint64)
	// Loopback makes a stub like the given one, of an entry point, with props (borrowed) for its context.
	Loopback(stub uint64, props vm.Value) (uint64, error)
	// SignalsCross reports whether an AbortSignal may be sent to another program.
	SignalsCross() bool
}

// BodyHost moves bodies that are streams. Numbers are the host's; one is not used again.
type BodyHost interface {
	// ReadBody reads all of a message's streamed body and returns a promise, owned by the caller, of what value makes of it.
	ReadBody(m Message, value func(b []byte) (vm.Value, error)) (vm.Value, error)
	// StreamOpen starts to read a message's streamed body.
	StreamOpen(m Message) (uint64, error)
	// StreamRead returns a promise, owned by the caller, of the next piece as a Uint8Array, or of undefined at the end.
	// There is one at a time.
	StreamRead(stream uint64) (vm.Value, error)
	// StreamClosed says that JavaScript reads no further. It may come from inside the collection of garbage, and
	// more than once.
	StreamClosed(stream uint64)
	// StreamWrite takes a piece of a body that a program produces, whose number Instance.StreamStart was given, and says
	// whether there is room for more. Without, it is taken all the same, and Instance.StreamRoom asks for the next. b is
	// a view.
	StreamWrite(body uint64, b []byte) (room bool)
	// StreamEnd ends such a body. reason is borrowed; failed says that the program's stream failed with it.
	StreamEnd(body uint64, failed bool, reason vm.Value)
}

// ObjectHost is what an object asks of the engine through its ctx, and a Worker's event through its own.
type ObjectHost interface {
	// ObjectID is the object's id in hex and its name; named is false for an id without one.
	ObjectID(object uint64) (hex, name string, named bool)
	// BlockEnter begins a critical section: it returns a promise, owned by the caller, of the section's number, which is
	// fulfilled in the section's first turn. No other event enters the object before BlockLeave with that number. ok
	// is false when the section failed, which resets the object; reason (borrowed) says why.
	BlockEnter(object uint64) (vm.Value, error)
	BlockLeave(object uint64, section int64, ok bool, reason vm.Value) error
	// Abort resets the object. After vm.ErrInterrupted the turn ends at once and JavaScript cannot catch it: see
	// vm.Runtime.Interrupted after the turn, because inside an async function it shows as a rejection only. Any other error, or none, is as everywhere. reason is borrowed, and Undefined for none.
	Abort(object uint64, reason vm.Value, retryAlarm bool) error
	// WaitBegin and WaitEnd enclose a promise given to waitUntil. owner says what holder names. reason is borrowed; failed
	// says that the promise was rejected with it.
	WaitBegin(owner Owner, holder uint64) (wait int64, err error)
	WaitEnd(owner Owner, holder uint64, wait int64, failed bool, reason vm.Value)
}

// SocketHost makes WebSockets and knows those of objects. Sockets that it is given are ones that it made.
type SocketHost interface {
	// SocketPair makes both ends of a pair, owned by the caller.
	SocketPair() (a, b vm.Value, err error)
	// SocketConnect begins to connect to href, an absolute URL with the scheme ws or wss, and returns the socket, owned by the caller. proto (borrowed)
	// is the prototype for [Instance.Socket]. url is what the program wrote, protocols a list with commas, or "".
	SocketConnect(proto vm.Value, url, href, protocols string) (vm.Value, error)
	// SocketOf makes the socket of the end in a response, owned by the caller; Null if it has none. It is asked once for one.
	SocketOf(m Message) (vm.Value, error)

	// SocketsAccept makes an object the holder of a socket, whatever instance it has. v (borrowed) is the socket's object.
	SocketsAccept(object uint64, v vm.Value, s Socket, tags []string) error
	// SocketsList appends the object's sockets to out, borrowed: those with a tag, oldest first, or all, newest first.
	SocketsList(object uint64, tag string, tagged bool, out []vm.Value) ([]vm.Value, error)
	SocketsTags(object uint64, s Socket) ([]string, error)
	// SocketsBroadcast sends m to every open socket of the object: with the tag, if tagged, and but except, which may be nil. It returns how many
	// there were.
	SocketsBroadcast(object uint64, m *engine.Message, tag string, tagged bool, except Socket) (int, error)
	// SocketsAuto is what SocketsSetAuto has set; set false is nothing, both ways.
	SocketsAuto(object uint64) (request, response string, set bool, err error)
	SocketsSetAuto(object uint64, request, response string, set bool) error
	// SocketsTimeout is how long an event of a socket may take, in milliseconds; 0 is no limit.
	SocketsTimeout(object uint64) (float64, error)
	SocketsSetTimeout(object uint64, ms float64) error
}

// Socket is a WebSocket as its host sees it. Text arguments are valid UTF-8.
type Socket interface {
	// Accept begins to deliver what comes: see [Instance.SocketMessage] and its like. v (borrowed) is the socket's object. halfOpen, if
	// given, decides who answers a Close.
	Accept(v vm.Value, halfOpen, given bool) error
	// Send sends a message, which may be one that was sent before.
	Send(m *engine.Message) error
	// Close sends a Close; code 0 is none. The code is one that may be sent.
	Close(code int, reason string) error
	// State is its readyState.
	State() int
	// About says what it is connected to.
	About() SocketAbout
	// Attachment is what SetAttachment stored, owned by the caller; Null for nothing. v is borrowed.
	Attachment() (vm.Value, error)
	SetAttachment(v vm.Value) error
	// AutoTime is when an auto response was last sent, in milliseconds since 1970; 0 for never.
	AutoTime() float64
	// Dropped says that JavaScript has dropped its object. It may come from inside the collection of garbage.
	Dropped()
}

// SocketAbout is what a WebSocket says of its connection; nil is null.
type SocketAbout struct{ URL, Protocol, Extensions *string }

// Owner says whose waitUntil it is.
type Owner uint8

const (
	OwnerUnknown Owner = iota // the waitUntil of cloudflare:workers: whatever turn is running
	OwnerObject
	OwnerEvent
)

// Store names a storage: an object's, or a transaction's over it.
type Store struct {
	ID          uint64
	Transaction bool
}

// WriteFlags are the options of a write.
type WriteFlags uint8

const (
	AllowConcurrency WriteFlags = 1 << iota
	AllowUnconfirmed
	NoCache
)

// ListOptions are the options of list. A nil slice is a bound that was not given; all are views. Limit 0 is no limit.
type ListOptions struct {
	Start, StartAfter, End, Prefix []byte
	Reverse                        bool
	Limit                          int
}

// StorageHost is an object's storage. Keys are views, in UTF-8; values are borrowed. Everything is in memory, so every
// call answers at once, except Sync.
type StorageHost interface {
	// StorageGet returns a value, owned by the caller; Undefined if there is none.
	StorageGet(s Store, key []byte) (vm.Value, error)
	// StorageGetMany adds the entries that exist to out, sorted by key.
	StorageGetMany(s Store, keys [][]byte, out *Entries) error
	StoragePut(s Store, key []byte, v vm.Value, flags WriteFlags) error
	StoragePutMany(s Store, keys [][]byte, vs []vm.Value, flags WriteFlags) error
	StorageDelete(s Store, key []byte, flags WriteFlags) (bool, error)
	StorageDeleteMany(s Store, keys [][]byte, flags WriteFlags) (int, error)
	// StorageList adds the entries asked for to out, in order.
	StorageList(s Store, o ListOptions, out *Entries) error
	StorageDeleteAll(object uint64, flags WriteFlags) error
	// StorageSync returns a promise, owned by the caller, that is fulfilled when all earlier writes are durable.
	StorageSync(object uint64) (vm.Value, error)
	// StorageCurrentBookmark, StorageBookmarkForTime and StorageRestoreNext return promises of a bookmark, owned by the caller. ms is since
	// 1970; StorageRestoreNext is onNextSessionRestoreBookmark.
	StorageCurrentBookmark(object uint64) (vm.Value, error)
	StorageBookmarkForTime(object uint64, ms int64) (vm.Value, error)
	StorageRestoreNext(object uint64, bookmark string) (vm.Value, error)
	// StorageAlarm is the alarm, in milliseconds since 1970.
	StorageAlarm(s Store) (ms int64, set bool, err error)
	StorageSetAlarm(s Store, ms int64, flags WriteFlags) error
	StorageDeleteAlarm(s Store, flags WriteFlags) error
	// TxnBegin opens a transaction over an object's storage. sync: it ends before the turn does, and reads and writes of
	// the object's own storage are part of it. It ends with one of the other two.
	TxnBegin(object uint64, sync bool) (uint64, error)
	TxnCommit(txn uint64) error
	TxnRollback(txn uint64) error
	// RefusedWrite reports whether reason, borrowed, is the exception of a write that was refused in this turn for a reason of
	// the disk. A promise that is rejected with it counts as unhandled until somebody handles it.
	RefusedWrite(reason vm.Value) bool
}
