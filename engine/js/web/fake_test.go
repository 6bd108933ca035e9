package web

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

// fakeHost is an engine in a few maps: one namespace, objects whose storage holds the very values it was given, and time that
// the test moves by hand.
type fakeHost struct {
	r  *vm.Runtime
	in *Instance

	logs     []string
	reported []string
	now      float64
	timers   []fakeTimer
	lastID   int64

	stores  map[uint64]map[string]vm.Value
	alarms  map[uint64]int64
	backups map[uint64]map[string]vm.Value // by transaction
	txnOf   map[uint64]uint64
	nextTxn uint64
	fail    error  // what storage calls return
	onPut   func() // what a getter of the value would do

	work []func() // what OffLoop was given, not yet done

	calls    []string // gates, waits, aborts, in order
	sections int64
	waits    int64

	fetched      []fakeFetch
	open         map[uint64]string // stubs
	stubs        uint64
	pieces       []string // what a stream of the host gives
	written      []string // what was pumped into the host
	pairs        int
	messages     []*engine.Message // what was sent into sockets
	accepted     []*fakeSocket
	auto         [2]string
	eventTimeout float64
	answer       func(stub string, m Message) (Message, error)
}

type fakeTimer struct {
	id     int64
	ms     float64
	repeat bool
}

type fakeFetch struct {
	stub     string
	m        Message
	redirect Redirect
}

func newFake(t testing.TB) *fakeHost {
	t.Helper()
	r, err := vm.New(vm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	h := &fakeHost{r: r, stores: map[uint64]map[string]vm.Value{}, alarms: map[uint64]int64{}, backups: map[uint64]map[string]vm.Value{}, txnOf: map[uint64]uint64{}, open: map[uint64]string{}}
	if h.in, err = Load(r, h); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *fakeHost) Log(level, text string) { h.logs = append(h.logs, level+" "+text) }
func (h *fakeHost) ReportError(v vm.Value) {
	s, _ := h.r.ToString(v)
	h.reported = append(h.reported, s)
}
func (h *fakeHost) Now() float64        { return h.now }
func (h *fakeHost) TimeOrigin() float64 { return 1000 }
func (h *fakeHost) TimerStart(ms float64, repeat bool) (int64, error) {
	h.lastID++
	h.timers = append(h.timers, fakeTimer{h.lastID, ms, repeat})
	return h.lastID, nil
}

func (h *fakeHost) TimerStop(id int64) {
	for i, t := range h.timers {
		if t.id == id {
			h.timers = append(h.timers[:i], h.timers[i+1:]...)
			return
		}
	}
}

func (h *fakeHost) StructuredClone(v vm.Value, transfer []vm.Value) (vm.Value, error) {
	b, err := h.r.AppendJSON(nil, v)
	if err != nil {
		return vm.Undefined, err
	}
	h.calls = append(h.calls, fmt.Sprint("clone ", len(transfer)))
	return h.r.ParseJSON(b)
}

// OffLoop keeps the work until somebody looks at the promise.
func (h *fakeHost) OffLoop(work func(), done func() (vm.Value, error)) (vm.Value, error) {
	p, err := h.r.PendingPromise()
	if err != nil {
		return vm.Undefined, err
	}
	held := h.r.Dup(p)
	h.work = append(h.work, func() {
		work()
		v, err := done()
		if err == nil {
			err = h.r.Resolve(held, v)
		} else {
			err = h.r.RejectWith(held, err)
		}
		if err != nil {
			panic(err)
		}
		h.r.Free(held)
	})
	return p, nil
}

func fakeID(ns uint64, name string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s", ns, name))
	sum[31] = byte(ns)
	return hex.EncodeToString(sum[:])
}

func (h *fakeHost) IDFromName(ns uint64, name string) (string, error) { return fakeID(ns, name), nil }

func (h *fakeHost) CheckID(ns uint64, id string) bool {
	return strings.HasSuffix(id, fmt.Sprintf("%02x", ns))
}

func (h *fakeHost) NewUniqueID(ns uint64) (string, error) {
	h.lastID++
	return fakeID(ns, fmt.Sprint("unique", h.lastID)), nil
}

func (h *fakeHost) StubByName(ns uint64, name string) (uint64, error) {
	h.stubs++
	h.open[h.stubs] = fmt.Sprintf("%d name %s", ns, name)
	return h.stubs, nil
}

func (h *fakeHost) StubByID(ns uint64, id string) (uint64, error) {
	h.stubs++
	h.open[h.stubs] = fmt.Sprintf("%d id %s", ns, id[:8])
	return h.stubs, nil
}
func (h *fakeHost) StubClosed(stub uint64) { delete(h.open, stub) }

func (h *fakeHost) WatchCaller(Message, vm.Value) { h.calls = append(h.calls, "watch") }

func (h *fakeHost) Fetch(stub, _ uint64, m Message, redirect Redirect) (vm.Value, error) {
	h.fetched = append(h.fetched, fakeFetch{h.open[stub], m, redirect})
	if h.answer == nil {
		return h.r.PendingPromise()
	}
	res, err := h.answer(h.open[stub], m)
	if err != nil {
		return h.r.RejectedWith(err)
	}
	v, err := h.in.Response(res)
	if err != nil {
		return vm.Undefined, err
	}
	return h.r.ResolvedPromise(v)
}

func (h *fakeHost) FetchOut(n uint64, m Message, redirect Redirect) (vm.Value, error) {
	h.fetched = append(h.fetched, fakeFetch{"out", m, redirect})
	if h.answer == nil {
		return h.r.PendingPromise()
	}
	res, err := h.answer("out", m)
	if err != nil {
		return h.r.RejectedWith(err)
	}
	v, err := h.in.Response(res)
	if err != nil {
		return vm.Undefined, err
	}
	return h.r.ResolvedPromise(v)
}

func (h *fakeHost) FetchCancel(n uint64) { h.calls = append(h.calls, fmt.Sprint("cancel ", n)) }

func (h *fakeHost) Send(stub uint64, path []string, args vm.Value) (vm.Value, error) {
	return h.r.RejectedWith(vm.PlainError("no calls here"))
}
func (h *fakeHost) Pipeline(vm.Value, []string, vm.Value) (vm.Value, error) { return vm.Null, nil }
func (h *fakeHost) Export(vm.Value, bool) (uint64, error)                   { return 0, vm.PlainError("no calls here") }

func (h *fakeHost) DupStub(uint64) (uint64, error) { return 0, vm.PlainError("no calls here") }
func (h *fakeHost) DisposeStub(uint64)             {}
func (h *fakeHost) SignalsCross() bool             { return false }
func (h *fakeHost) Loopback(uint64, vm.Value) (uint64, error) {
	return 0, vm.PlainError("no calls here")
}

// A fake stream of the host is a list of pieces, which are all there.
func (h *fakeHost) ReadBody(m Message, value func([]byte) (vm.Value, error)) (vm.Value, error) {
	v, err := value([]byte(strings.Join(h.pieces, "")))
	if err != nil {
		return h.r.RejectedWith(err)
	}
	return h.r.ResolvedPromise(v)
}

func (h *fakeHost) StreamOpen(m Message) (uint64, error) {
	h.calls = append(h.calls, "open")
	return 1, nil
}

func (h *fakeHost) StreamRead(uint64) (vm.Value, error) {
	if len(h.pieces) == 0 {
		return h.r.ResolvedPromise(vm.Undefined)
	}
	v, err := h.r.Uint8Array([]byte(h.pieces[0]))
	h.pieces = h.pieces[1:]
	if err != nil {
		return vm.Undefined, err
	}
	return h.r.ResolvedPromise(v)
}
func (h *fakeHost) StreamClosed(n uint64) { h.calls = append(h.calls, fmt.Sprint("closed ", n)) }

// StreamWrite has room for two pieces.
func (h *fakeHost) StreamWrite(n uint64, b []byte) bool {
	h.written = append(h.written, string(b))
	return len(h.written)%2 == 1
}

func (h *fakeHost) StreamEnd(n uint64, failed bool, reason vm.Value) {
	s, _ := h.r.ToString(reason)
	h.written = append(h.written, fmt.Sprint("end ", n, " ", failed, " ", s))
}

func (h *fakeHost) ObjectID(object uint64) (string, string, bool) {
	return fakeID(1, fmt.Sprint(object)), fmt.Sprint("object", object), object%2 == 1
}

func (h *fakeHost) BlockEnter(object uint64) (vm.Value, error) {
	h.sections++
	h.calls = append(h.calls, fmt.Sprint("enter ", object, " ", h.sections))
	return h.r.ResolvedPromise(vm.Int64(h.sections))
}

func (h *fakeHost) BlockLeave(object uint64, section int64, ok bool, reason vm.Value) error {
	s, _ := h.r.ToString(reason)
	h.calls = append(h.calls, fmt.Sprint("leave ", object, " ", section, " ", ok, " ", s))
	return nil
}

func (h *fakeHost) Abort(object uint64, reason vm.Value, retryAlarm bool) error {
	s, _ := h.r.ToString(reason)
	h.calls = append(h.calls, fmt.Sprint("abort ", object, " ", s, " ", retryAlarm))
	return vm.ErrInterrupted
}

func (h *fakeHost) WaitBegin(owner Owner, holder uint64) (int64, error) {
	h.waits++
	h.calls = append(h.calls, fmt.Sprint("wait ", owner, " ", holder, " ", h.waits))
	return h.waits, nil
}

func (h *fakeHost) WaitEnd(owner Owner, holder uint64, wait int64, failed bool, reason vm.Value) {
	s, _ := h.r.ToString(reason)
	h.calls = append(h.calls, fmt.Sprint("waited ", owner, " ", holder, " ", wait, " ", failed, " ", s))
}

func (h *fakeHost) store(s Store) map[string]vm.Value {
	id := s.ID
	if s.Transaction {
		id = h.txnOf[id]
	}
	m := h.stores[id]
	if m == nil {
		m = map[string]vm.Value{}
		h.stores[id] = m
	}
	return m
}

func (h *fakeHost) StorageGet(s Store, key []byte) (vm.Value, error) {
	v, ok := h.store(s)[string(key)]
	if !ok {
		return vm.Undefined, h.fail
	}
	return h.r.Dup(v), h.fail
}

func (h *fakeHost) StorageGetMany(s Store, keys [][]byte, out *Entries) error {
	sort.Slice(keys, func(i, j int) bool { return string(keys[i]) < string(keys[j]) })
	for _, k := range keys {
		if v, ok := h.store(s)[string(k)]; ok {
			out.Add(k, h.r.Dup(v))
		}
	}
	return h.fail
}

func (h *fakeHost) StoragePut(s Store, key []byte, v vm.Value, flags WriteFlags) error {
	if h.fail != nil {
		return h.fail
	}
	if h.onPut != nil {
		h.onPut()
	}
	m := h.store(s)
	h.r.Free(m[string(key)])
	m[string(key)] = h.r.Dup(v)
	if flags != 0 {
		h.calls = append(h.calls, fmt.Sprint("flags ", flags))
	}
	return nil
}

func (h *fakeHost) RefusedWrite(vm.Value) bool { return false }

func (h *fakeHost) StoragePutMany(s Store, keys [][]byte, vs []vm.Value, flags WriteFlags) error {
	for i := range keys {
		if err := h.StoragePut(s, keys[i], vs[i], flags); err != nil {
			return err
		}
	}
	return nil
}

func (h *fakeHost) StorageDelete(s Store, key []byte, _ WriteFlags) (bool, error) {
	v, ok := h.store(s)[string(key)]
	h.r.Free(v)
	delete(h.store(s), string(key))
	return ok, h.fail
}

func (h *fakeHost) StorageDeleteMany(s Store, keys [][]byte, flags WriteFlags) (int, error) {
	n := 0
	for _, k := range keys {
		if ok, _ := h.StorageDelete(s, k, flags); ok {
			n++
		}
	}
	return n, h.fail
}

func (h *fakeHost) StorageList(s Store, o ListOptions, out *Entries) error {
	h.calls = append(h.calls, fmt.Sprintf("list %q %q %q %q %v %d", o.Start, o.StartAfter, o.End, o.Prefix, o.Reverse, o.Limit))
	var names []string
	for k := range h.store(s) {
		if (o.Start == nil || k >= string(o.Start)) && (o.StartAfter == nil || k > string(o.StartAfter)) &&
			(o.End == nil || k < string(o.End)) && strings.HasPrefix(k, string(o.Prefix)) {
			names = append(names, k)
		}
	}
	sort.Strings(names)
	if o.Reverse {
		sort.Sort(sort.Reverse(sort.StringSlice(names)))
	}
	for i, k := range names {
		if o.Limit > 0 && i == o.Limit {
			break
		}
		out.Add([]byte(k), h.r.Dup(h.store(s)[k]))
	}
	return h.fail
}

func (h *fakeHost) StorageDeleteAll(object uint64, _ WriteFlags) error {
	h.stores[object] = nil
	return h.fail
}

func (h *fakeHost) StorageCurrentBookmark(uint64) (vm.Value, error) { return h.bookmark("now") }
func (h *fakeHost) StorageBookmarkForTime(_ uint64, ms int64) (vm.Value, error) {
	return h.bookmark(fmt.Sprint("at ", ms))
}

func (h *fakeHost) StorageRestoreNext(_ uint64, bookmark string) (vm.Value, error) {
	return h.bookmark("before " + bookmark)
}

func (h *fakeHost) bookmark(text string) (vm.Value, error) {
	v, err := h.r.String(text)
	if err != nil {
		return vm.Undefined, err
	}
	return h.r.ResolvedPromise(v)
}

func (h *fakeHost) StorageSync(uint64) (vm.Value, error) { return h.r.ResolvedPromise(vm.Undefined) }

func (h *fakeHost) StorageAlarm(s Store) (int64, bool, error) {
	ms, set := h.alarms[s.ID]
	return ms, set, h.fail
}

func (h *fakeHost) StorageSetAlarm(s Store, ms int64, flags WriteFlags) error {
	h.calls = append(h.calls, fmt.Sprint("alarm ", ms, " ", flags))
	h.alarms[s.ID] = ms
	return h.fail
}

func (h *fakeHost) StorageDeleteAlarm(s Store, flags WriteFlags) error {
	h.calls = append(h.calls, fmt.Sprint("no alarm ", flags))
	delete(h.alarms, s.ID)
	return h.fail
}

func (h *fakeHost) TxnBegin(object uint64, sync bool) (uint64, error) {
	h.nextTxn++
	h.calls = append(h.calls, fmt.Sprint("begin ", object, " ", sync))
	h.txnOf[h.nextTxn] = object
	backup := map[string]vm.Value{}
	for k, v := range h.store(Store{ID: object}) {
		backup[k] = h.r.Dup(v)
	}
	h.backups[h.nextTxn] = backup
	return h.nextTxn, nil
}

func (h *fakeHost) TxnCommit(txn uint64) error {
	h.calls = append(h.calls, "commit")
	delete(h.backups, txn)
	return nil
}

func (h *fakeHost) TxnRollback(txn uint64) error {
	h.calls = append(h.calls, "rollback")
	if h.backups[txn] == nil {
		return errors.New("no such transaction")
	}
	h.stores[h.txnOf[txn]] = h.backups[txn]
	delete(h.backups, txn)
	return nil
}

// eval runs a script. If its value is a promise, the promise's result is the answer; an exception is "throws NAME: MESSAGE".
func (h *fakeHost) eval(t testing.TB, source string) string {
	t.Helper()
	v, err := h.r.Eval("test.js", source)
	if err != nil {
		return "throws " + err.Error()
	}
	return h.settled(t, v)
}

// settled pumps and describes what a promise became. It consumes v.
func (h *fakeHost) settled(t testing.TB, v vm.Value) string {
	t.Helper()
	for {
		if _, err := h.r.Pump(); err != nil {
			t.Fatalf("pump: %v", err)
		}
		if len(h.work) == 0 {
			break
		}
		first := h.work[0]
		h.work = h.work[1:]
		first()
	}
	switch h.r.PromiseState(v) {
	case vm.Pending:
		h.r.Free(v)
		return "pending"
	case vm.Rejected:
		e := h.r.Describe(h.r.PromiseResult(v))
		h.r.Free(v)
		return "rejects " + e.Error()
	case vm.Fulfilled:
		p := v
		v = h.r.PromiseResult(p)
		h.r.Free(p)
	}
	s, err := h.r.ToString(v)
	h.r.Free(v)
	if err != nil {
		return "throws " + err.Error()
	}
	return s
}

// cases runs each script as the body of an async function, all in one runtime, and compares what it returns with what is wanted.
func cases(t *testing.T, list []jsCase) {
	t.Helper()
	h := newFake(t)
	for _, c := range list {
		t.Run(c.name, func(t *testing.T) {
			if got := h.eval(t, "(async () => {"+c.source+"\n})()"); got != c.want {
				t.Errorf("%s\n got %s\nwant %s", c.source, got, c.want)
			}
		})
	}
}

type jsCase struct{ name, source, want string }

// fakeSocket is an end of a fake pair. What is sent into it is noted.
type fakeSocket struct {
	h      *fakeHost
	name   string
	other  *fakeSocket
	by     string // who holds it
	value  vm.Value
	state  int
	about  SocketAbout
	kept   vm.Value
	auto   float64
	tags   []string
	failed error // what Send and Close return
}

func (s *fakeSocket) note(format string, args ...any) {
	s.h.calls = append(s.h.calls, s.name+" "+fmt.Sprintf(format, args...))
}

func (s *fakeSocket) Accept(v vm.Value, halfOpen, given bool) error {
	s.by, s.value = "accept", s.h.r.Dup(v)
	s.note("accept %v %v", halfOpen, given)
	return nil
}

func (s *fakeSocket) Send(m *engine.Message) error {
	s.h.messages = append(s.h.messages, m)
	s.note("send %v %q", m.Text, m.Data)
	return s.failed
}

func (s *fakeSocket) Close(code int, reason string) error {
	s.note("close %d %q", code, reason)
	s.state = 2
	return s.failed
}
func (s *fakeSocket) State() int         { return s.state }
func (s *fakeSocket) About() SocketAbout { return s.about }
func (s *fakeSocket) Attachment() (vm.Value, error) {
	return s.h.r.Dup(s.kept), nil
}

func (s *fakeSocket) SetAttachment(v vm.Value) error {
	s.h.r.Free(s.kept)
	s.kept = s.h.r.Dup(v)
	return nil
}
func (s *fakeSocket) AutoTime() float64 { return s.auto }
func (s *fakeSocket) Dropped()          { s.note("dropped") }

func (h *fakeHost) newSocket(name string, proto vm.Value) (*fakeSocket, vm.Value, error) {
	empty := ""
	s := &fakeSocket{h: h, name: name, value: vm.Undefined, state: 1, kept: vm.Null, about: SocketAbout{Protocol: &empty, Extensions: &empty}}
	v, err := h.in.Socket(s, proto)
	return s, v, err
}

func (h *fakeHost) SocketPair() (a, b vm.Value, err error) {
	h.pairs++
	one, a, err := h.newSocket(fmt.Sprint("a", h.pairs), vm.Undefined)
	if err != nil {
		return vm.Undefined, vm.Undefined, err
	}
	other, b, err := h.newSocket(fmt.Sprint("b", h.pairs), vm.Undefined)
	one.other, other.other = other, one
	return a, b, err
}

func (h *fakeHost) SocketConnect(proto vm.Value, url, href, protocols string) (vm.Value, error) {
	s, v, err := h.newSocket("connected", proto)
	s.about.URL, s.state = &url, 0
	s.note("to %s for %q", href, protocols)
	return v, err
}

func (h *fakeHost) SocketOf(Message) (vm.Value, error) { return vm.Null, nil }

func (h *fakeHost) SocketsAccept(object uint64, v vm.Value, ws Socket, tags []string) error {
	s := ws.(*fakeSocket)
	s.by, s.value, s.tags = "object", h.r.Dup(v), tags
	h.accepted = append(h.accepted, s)
	return nil
}

func (h *fakeHost) SocketsList(_ uint64, tag string, tagged bool, out []vm.Value) ([]vm.Value, error) {
	for _, s := range h.accepted {
		if !tagged || slices.Contains(s.tags, tag) {
			out = append(out, s.value)
		}
	}
	return out, nil
}

func (h *fakeHost) SocketsTags(_ uint64, ws Socket) ([]string, error) {
	return ws.(*fakeSocket).tags, nil
}

func (h *fakeHost) SocketsBroadcast(_ uint64, m *engine.Message, tag string, tagged bool, except Socket) (int, error) {
	n := 0
	for _, s := range h.accepted {
		if (!tagged || slices.Contains(s.tags, tag)) && Socket(s) != except {
			_ = s.Send(m)
			n++
		}
	}
	return n, nil
}

func (h *fakeHost) SocketsAuto(uint64) (request, response string, set bool, err error) {
	return h.auto[0], h.auto[1], h.auto[0] != "", nil
}

func (h *fakeHost) SocketsSetAuto(_ uint64, request, response string, _ bool) error {
	h.auto = [2]string{request, response}
	return nil
}
func (h *fakeHost) SocketsTimeout(uint64) (float64, error) { return h.eventTimeout, nil }
func (h *fakeHost) SocketsSetTimeout(_ uint64, ms float64) error {
	h.eventTimeout = ms
	return nil
}
