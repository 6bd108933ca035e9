package loop

import (
	"context"
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
// gnet's loop waits in epoll_wait, handles every event that came back, and then runs what was given to
// Execute, until that queue is empty. It has no hook before it waits again. So the first event of a round
// (Core.Begin), or the first post to an idle mailbox, gives the loop's one task to Execute: Core.Turn, which
// runs the mailbox and all that follows. gnet wakes its own epoll for that with one write to an eventfd, at
// most once a round however many events and posts the round has; if the wake-up came by a post, the events
// of the same poll share it. A further poll, without waiting, separates the events from Turn: what arrives in
// between joins the round.
//
// A task given to Execute by a task runs in the same go, before gnet polls again. A loop that kept itself
// busy in this way would never read a connection again. So Turn asks for a further Turn in another way, by a
// byte on a socket of the loop's own (Again), which gnet reads in the next poll, in its turn among the ready
// connections.

// netLoop drives one Core from one event loop of gnet's.
type netLoop struct {
	net  *Net
	core *Core
	el   gnet.EventLoop
	poll int // gnet's epoll; see poller.go
	side int // the side epoll, nested in it

	again    int // our end of the socket that Again writes to
	sentinel int // our end of the socket whose other end always holds a byte
	ready    chan struct{}
	started  bool
	waking   atomic.Int32 // calls of Wake in progress
	finished chan struct{}
	over     bool // finished is closed

	watched map[int32]*socket // by descriptor: what the side epoll watches
	events  []unix.EpollEvent

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
		again:    -1,
		sentinel: -1,
		armed:    never,
		ready:    make(chan struct{}),
		finished: make(chan struct{}),
		watched:  make(map[int32]*socket),
		events:   make([]unix.EpollEvent, 64),
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

// Run is the loop's task for Execute.
func (l *netLoop) Run(context.Context) error {
	l.turn()
	return nil
}

// turn ends a round and, once the mailbox is shut and empty, reports the loop finished.
func (l *netLoop) turn() {
	if l.core.Turn(); l.core.Finished() && !l.over {
		l.over = true
		close(l.finished)
	}
}

// finish returns when the loop, whose core was shut, has run everything that was left, and when no goroutine is
// inside gnet to wake it any more: gnet would write to a descriptor that is closed by then, or is another's.
func (l *netLoop) finish() {
	<-l.finished
	for l.waking.Load() != 0 {
		runtime.Gosched()
	}
}

// Wake is part of [Driver]. Its two allocations inside gnet are once a round, not once a post.
func (l *netLoop) Wake() {
	l.waking.Add(1)
	if err := l.el.Execute(context.Background(), l); err != nil {
		l.net.log.Error("cannot wake an event loop", "loop", l.core.index, "err", err)
	}
	l.waking.Add(-1)
}

var oneByte = []byte{1}

// Again is part of [Driver]. If the socket is full, the byte that is needed is in it.
func (l *netLoop) Again() { _, _ = unix.Write(l.again, oneByte) }

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
	if err = epollCtl(l.poll, unix.EPOLL_CTL_ADD, l.side, fd, unix.EPOLLIN); err != nil {
		return err
	}
	return epollCtl(l.side, unix.EPOLL_CTL_ADD, l.again, l.again, unix.EPOLLOUT) // ready at once: the trial
}

// free closes the loop's own descriptors, after gnet has stopped.
func (l *netLoop) free() {
	if l.timer != nil {
		l.timer.Stop()
	}
	for _, fd := range []int{l.side, l.again, l.sentinel} {
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
			_, _ = unix.Write(x.loop.sentinel, oneByte)
			x.loop.serveSide()
		} else {
			x.loop.turn()
		}
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
