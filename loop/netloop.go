package loop

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// How a round comes about on gnet.
//
// gnet's loop waits in epoll_wait and handles every event that came back. It has no hook before it waits again, and a task that is given to it by
// Execute costs a write to an eventfd, two further polls, a yield to the scheduler that most often ends on another thread, and two allocations. So its
// goroutine spends its life in serve: a poll of our own on the same epoll, entered from a handler of gnet's. It reads the connections that are ready, ends the round
// with Core.Turn, and waits again: one epoll_wait a round. What a poll reports that is gnet's affair (a hang-up, its own eventfd) is left to it: serve returns,
// and as events are level-triggered gnet finds them in its next poll. The next event of the wake-up eventfd leads back into serve.
//
// gnet's own eventfd is edge-triggered, and gnet must not be in a handler when it is woken: it would never hear of it. It is woken to take up connections
// and to stop. So whoever enrols a connection has the loop leave serve before (see Net.enrol), until all are taken up; and serve is left for good
// before gnet is stopped. While connections are on their way, rounds come about by gnet's polls, and end when the wake-up is read.
//
// When serve is entered, gnet may be in the middle of the events of a poll, which are old when it goes on. They do no harm: a connection that
// has closed is not found, and none with the same descriptor can have been taken up meanwhile, as that is gnet's to do.

// netLoop drives one Core from one event loop of gnet's.
type netLoop struct {
	net  *Net
	core *Core
	el   gnet.EventLoop
	poll int // gnet's epoll; see poller.go
	side int // the side epoll, nested in it

	wake     int // an eventfd in gnet's epoll, reported as one of the sentinel's descriptor; see Wake
	again    int // our end of the socket that Again writes to
	sentinel int // our end of the socket whose other end always holds a byte
	ready    chan struct{}
	started  bool
	waking   atomic.Int32 // calls of Wake in progress
	finished chan struct{}
	over     bool // finished is closed

	watched map[int32]*socket // by descriptor: what the side epoll watches
	events  []unix.EpollEvent // of the side epoll

	// Of serve; owned by the loop.
	enabled bool // start has ended
	leaving int  // connections for which gnet must poll by itself
	inside  bool // in serve
	yields  bool // the loops need all processors: others get their turn only when a loop yields
	sockets []*socket
	polled  []unix.EpollEvent
	buffer  []byte // what is read into

	timer   *time.Timer
	armed   int64        // the moment that timer is set for, or never
	fired   atomic.Bool  // timer has gone off since it was set
	conns   atomic.Int64 // open, or on their way
	pending atomic.Int64 // on their way
}

func newNetLoop(n *Net, index int, panics func(any, []byte)) *netLoop {
	l := &netLoop{
		net:      n,
		side:     -1,
		wake:     -1,
		again:    -1,
		sentinel: -1,
		armed:    never,
		ready:    make(chan struct{}),
		finished: make(chan struct{}),
		watched:  make(map[int32]*socket),
		events:   make([]unix.EpollEvent, 64),
		polled:   make([]unix.EpollEvent, polledAtOnce),
	}
	l.core = NewCore(index, l, n.log, panics)
	return l
}

const never = int64(1<<63 - 1)

// control is the context of a loop's own two sockets in gnet.
type control struct {
	loop     *netLoop
	sentinel bool
	err      error
}

// turn ends a round and, once the mailbox is shut and empty, reports the loop finished.
func (l *netLoop) turn() (more bool) {
	if more = l.core.Turn(); l.core.Finished() && !l.over {
		l.over = true
		close(l.finished)
	}
	return more
}

const (
	// polledAtOnce is the number of events that one poll of serve brings.
	polledAtOnce = 256
	// readBytes is how much is read of a connection in one round; see ListenOptions.MaxInbound.
	readBytes = 64 << 10

	// What tells our own events in gnet's epoll, all reported as the sentinel's, from each other.
	padWake = 1
	padSide = 2
)

// serve polls in gnet's place until it is gnet's turn.
func (l *netLoop) serve() {
	if !l.enabled || l.inside || l.leaving > 0 || l.over {
		return
	}
	l.inside = true
	if l.buffer == nil {
		l.buffer = make([]byte, readBytes)
	}
	wait, more, theirs := -1, false, false
	for l.leaving == 0 && !l.over && !theirs {
		n, err := unix.EpollWait(l.poll, l.polled, wait)
		if err != nil && err != unix.EINTR {
			break // gnet gets the same, and says so
		}
		if n <= 0 && !more {
			if wait = -1; err == nil {
				runtime.Gosched()
			}
			continue
		}
		l.core.Expect()
		for i := range l.polled[:max(n, 0)] {
			theirs = !l.event(&l.polled[i]) || theirs
		}
		more = l.turn()
		if wait = -1; more || l.yields || l.core.Mailed() {
			// What was posted may have made goroutines ready, and this processor is the one that they wait for.
			wait = 0
		}
	}
	l.inside = false
	if more {
		l.Again()
	}
}

// event handles one, and reports whether it is ours.
func (l *netLoop) event(ev *unix.EpollEvent) bool {
	switch {
	case ev.Pad == padWake:
	case ev.Pad == padSide:
		l.serveSide()
	default:
		s := l.socket(ev.Fd)
		if s == nil || ev.Events&^readInterest != 0 {
			return false
		}
		s.readable(l.buffer)
	}
	return true
}

// socket returns the connection with a descriptor, if it is one that gnet reads.
func (l *netLoop) socket(fd int32) *socket {
	if int(fd) < len(l.sockets) {
		return l.sockets[fd]
	}
	return nil
}

// register notes the connection with a descriptor; nil: there is none any more.
func (l *netLoop) register(fd int, s *socket) {
	if fd >= len(l.sockets) {
		if s == nil {
			return
		}
		l.sockets = append(l.sockets, make([]*socket, fd+1-len(l.sockets))...)
	}
	l.sockets[fd] = s
}

// enter lets serve begin when the loop next wakes up. Any goroutine.
func (l *netLoop) enter() {
	l.core.Post(Func(func() { l.enabled = true }))
}

// finish returns when the loop, whose core was shut, has run everything that was left, and when no goroutine is
// inside gnet to wake it any more: gnet would write to a descriptor that is closed by then, or is another's.
func (l *netLoop) finish() {
	<-l.finished
	for l.waking.Load() != 0 {
		runtime.Gosched()
	}
}

var eventfdOne = binary.NativeEndian.AppendUint64(nil, 1)

// Wake is part of [Driver]. The eventfd is edge-triggered and never read: its count fits all the wake-ups of a long life.
func (l *netLoop) Wake() {
	l.waking.Add(1)
	if _, err := unix.Write(l.wake, eventfdOne); err != nil {
		l.net.log.Error("cannot wake an event loop", "loop", l.core.index, "err", err)
	}
	l.waking.Add(-1)
}

var oneByte = []byte{1}

// Again is part of [Driver]. If the socket is full, the byte that is needed is in it. Within serve, Turn's result says the same.
func (l *netLoop) Again() {
	if !l.inside {
		_, _ = unix.Write(l.again, oneByte)
	}
}

// Arm is part of [Driver]. A timer that is set too early is left alone: it wakes the loop once for nothing,
// which is cheaper than setting it again whenever a time-out is put off.
func (l *netLoop) Arm(deadline int64) {
	if l.fired.Swap(false) {
		l.armed = never
	}
	if l.armed <= deadline {
		return
	}
	l.armed = deadline
	wait := l.net.clock.Until(deadline)
	if l.timer == nil {
		l.timer = time.AfterFunc(wait, l.timeUp)
	} else {
		l.timer.Reset(wait)
	}
}

// timeUp runs on a goroutine of the timer's.
func (l *netLoop) timeUp() {
	l.fired.Store(true)
	l.core.Wakeup()
}

// Clock is part of [Driver].
func (l *netLoop) Clock() (now, wall int64) { return l.net.clock.Read() }

// Due is part of [Driver].
func (l *netLoop) Due(d time.Duration) int64 { return l.net.clock.Due(d) }

// DueWall is part of [Driver].
func (l *netLoop) DueWall(deadline int64, most time.Duration) int64 {
	return l.net.clock.DueWall(deadline, most)
}

// serveSide handles what the side epoll reports.
func (l *netLoop) serveSide() {
	n, err := unix.EpollWait(l.side, l.events, 0)
	if err != nil {
		return // EINTR: it is still ready in the next poll
	}
	for _, ev := range l.events[:n] {
		if !l.started && int(ev.Fd) == l.again {
			l.started = true
			_ = epollCtl(l.side, unix.EPOLL_CTL_DEL, l.again, l.again, 0)
			close(l.ready)
			continue
		}
		if s := l.watched[ev.Fd]; s != nil { // nil: closed by an event before this one
			s.ready(ev.Events)
		}
	}
}

// start takes over one event loop of client and tries that poller.go's mechanisms work on it.
func (l *netLoop) start(client *gnet.Client) error {
	conn, err := l.controlConn(&l.again)
	if err != nil {
		return err
	}
	// The client gives a connection to the loop that has the fewest, so one that has none.
	first := &control{loop: l}
	gc, err := client.EnrollContext(conn, first)
	if err != nil {
		return fmt.Errorf("loop: cannot start an event loop: %w", err)
	}
	l.el = gc.EventLoop()

	if conn, err = l.controlConn(&l.sentinel); err != nil {
		return err
	}
	if _, err := unix.Write(l.sentinel, oneByte); err != nil {
		return fmt.Errorf("loop: cannot start an event loop: %w", err)
	}
	second := &control{loop: l, sentinel: true}
	result, err := l.el.Enroll(gnet.NewContext(context.Background(), second), conn)
	if err != nil {
		return fmt.Errorf("loop: cannot start an event loop: %w", err)
	}
	if r := <-result; r.Err != nil {
		return fmt.Errorf("loop: cannot start an event loop: %w", r.Err)
	}
	if second.err != nil {
		return second.err
	}
	select {
	case <-l.ready:
		return nil
	case <-time.After(10 * time.Second):
		return errUnsupportedGnet
	}
}

// controlConn makes a socket pair, keeps one end in ours and returns the other.
func (l *netLoop) controlConn(ours *int) (net.Conn, error) {
	theirs, own, err := socketPair()
	if err != nil {
		return nil, err
	}
	*ours = own
	f := os.NewFile(uintptr(theirs), "loop control")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("loop: cannot start an event loop: %w", err)
	}
	return c, nil
}

// openSide runs on the loop when the sentinel is enrolled.
func (l *netLoop) openSide(sentinel gnet.Conn) error {
	var err error
	if l.poll, err = pollDescriptor(sentinel.EventLoop()); err != nil {
		return err
	}
	fd := sentinel.Fd()
	if err = epollCtl(l.poll, unix.EPOLL_CTL_MOD, fd, fd, 0); err != nil {
		return errors.Join(errUnsupportedGnet, err)
	}
	if l.side, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("loop: epoll_create: %w", err)
	}
	if err = epollAdd(l.poll, l.side, fd, padSide, unix.EPOLLIN); err != nil {
		return err
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("loop: eventfd: %w", err)
	}
	if err = epollAdd(l.poll, l.wake, fd, padWake, unix.EPOLLIN|unix.EPOLLET); err != nil {
		return err
	}
	return epollCtl(l.side, unix.EPOLL_CTL_ADD, l.again, l.again, unix.EPOLLOUT) // ready at once: the trial
}

// free closes the loop's own descriptors, after gnet has stopped.
func (l *netLoop) free() {
	if l.timer != nil {
		l.timer.Stop()
	}
	for _, fd := range []int{l.side, l.wake, l.again, l.sentinel} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// events is gnet's handler for all loops. Each method runs on the loop of its connection.
type events struct {
	gnet.BuiltinEventEngine
}

func (*events) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	switch x := c.Context().(type) {
	case *socket:
		x.opened(c)
	case *control:
		if x.sentinel {
			x.err = x.loop.openSide(c)
		}
	}
	return nil, gnet.None
}

func (*events) OnTraffic(c gnet.Conn) gnet.Action {
	// All bytes are taken at once. They are in the read buffer that the loop's connections share; what is to
	// stay is copied by the stream.
	b, _ := c.Next(-1)
	switch x := c.Context().(type) {
	case *socket:
		if len(b) > 0 {
			x.loop.core.Begin()
			x.stream.Receive(b)
		}
	case *control:
		if x.sentinel {
			// By the side epoll, or by the wake-up: gnet cannot tell which.
			_, _ = unix.Write(x.loop.sentinel, oneByte)
			x.loop.serveSide()
		}
		x.loop.turn()
		x.loop.serve()
	}
	return gnet.None
}

func (*events) OnClose(c gnet.Conn, err error) gnet.Action {
	if s, ok := c.Context().(*socket); ok {
		s.ended(err)
	}
	return gnet.None
}

// gnetLog passes gnet's own log lines on. Its errors are about single descriptors and are reported by this
// package where they matter, so only what it takes for fatal keeps its level.
type gnetLog struct{ log *slog.Logger }

func (g gnetLog) Debugf(format string, args ...any) { g.debug(format, args) }
func (g gnetLog) Infof(format string, args ...any)  { g.debug(format, args) }
func (g gnetLog) Warnf(format string, args ...any)  { g.debug(format, args) }
func (g gnetLog) Errorf(format string, args ...any) {
	g.log.Warn("gnet: " + fmt.Sprintf(format, args...))
}

func (g gnetLog) Fatalf(format string, args ...any) {
	g.log.Error("gnet: " + fmt.Sprintf(format, args...))
}

func (g gnetLog) debug(format string, args []any) {
	if g.log.Enabled(context.Background(), slog.LevelDebug) {
		g.log.Debug("gnet: " + fmt.Sprintf(format, args...))
	}
}
