package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one program that runs. Safe for concurrent use.
type Process struct {
	name string
	cmd  *exec.Cmd
	out  tail
	done chan struct{} // closed when it has ended
	err  error         // of Wait; valid once done is closed
}

// Start starts a program, with args behind its name, in the environment of this one, changed by env. What it prints is
// kept for Output.
func Start(name string, env []string, program string, args ...string) (*Process, error) {
	p := &Process{name: name, cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Env = append(p.cmd.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	// The kernel kills the program when the thread that started it ends, also where this program is killed and
	// can clean nothing up. So the thread must last as long as the program: it belongs to one goroutine that waits.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Output returns the last of what the process has printed, up to 64 KiB.
func (p *Process) Output() string { return p.out.String() }

// Ready waits until answers returns nil, asking again every millisecond. It gives up when ctx ends or the process
// does, and then its error has what the process has printed.
func (p *Process) Ready(ctx context.Context, answers func() error) error {
	every := time.NewTicker(time.Millisecond)
	defer every.Stop()
	for {
		err := answers()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return p.ended()
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w\n%s", p.name, err, p.Output())
		case <-every.C:
		}
	}
}

// ended is the error of a process that should not have ended.
func (p *Process) ended() error {
	return fmt.Errorf("%s has ended (%v):\n%s", p.name, p.cmd.ProcessState, strings.TrimSpace(p.Output()))
}

// Stop ends the process by SIGTERM, or by SIGKILL if that takes longer than patience. It returns an error if the process
// had ended before, had to be killed, or reports a failure that is not the signal.
func (p *Process) Stop(patience time.Duration) error {
	select {
	case <-p.done:
		return p.ended()
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("%s did not end within %v of SIGTERM and was killed:\n%s", p.name, patience, p.Output())
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
		return nil // it has no way of its own to end
	}
	if p.err != nil {
		return p.ended()
	}
	return nil
}

// Wait waits until the process ends by itself, or kills it when ctx ends, and returns an error unless it reports success.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s was killed: %w\n%s", p.name, context.Cause(ctx), p.Output())
	}
	if p.err != nil {
		return p.ended()
	}
	return nil
}

// Kill ends the process at once, and returns when it has ended. A process that has ended already is left alone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// FreePort returns a port of 127.0.0.1 that was free a moment ago.
func FreePort() (int, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = lis.Close() }()
	return lis.Addr().(*net.TCPAddr).Port, nil
}

// TwoFreePorts is FreePort for a server and its admin side: the first is held until there is another one.
func TwoFreePorts() (port, admin int, err error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = lis.Close() }()
	admin, err = FreePort()
	return lis.Addr().(*net.TCPAddr).Port, admin, err
}

// tail keeps the last bytes that were written to it. Safe for concurrent use.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const maxTail = 64 << 10

// Write is part of io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b)
	if over := t.buf.Len() - maxTail; over > 0 {
		t.buf.Next(over)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
