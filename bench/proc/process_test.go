package proc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is the program that the tests run: the variable says what it does.
const role = "BENCH_PROC_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "fail":
		fmt.Println("no such thing")
		os.Exit(3)
	case "succeed":
		os.Exit(0)
	case "obey":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		fmt.Println("up")
		<-signals
		fmt.Println("down")
	case "default":
		fmt.Println("up")
		select {}
	case "refuse":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("up")
		select {}
	case "work": // until the kernel says that a fifth of a second of processor time is used
		kept := make([]byte, 64<<20)
		for i := range kept {
			kept[i] = byte(i)
		}
		var used syscall.Rusage
		for sum := 0; ; sum++ {
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
				panic(err)
			}
			if time.Duration(used.Utime.Nano()+used.Stime.Nano()) > 200*time.Millisecond {
				fmt.Println("up", kept[sum%len(kept)] > 0)
				select {}
			}
		}
	}
}

func start(t *testing.T, what string) *Process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(what, []string{role + "=" + what}, exe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// up waits until the process has printed that it is there.
func up(t *testing.T, p *Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := p.Ready(ctx, func() error {
		if !strings.Contains(p.Output(), "up") {
			return errors.New("not up")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStop(t *testing.T) {
	for what, want := range map[string]string{"obey": "", "default": "", "refuse": "was killed"} {
		t.Run(what, func(t *testing.T) {
			p := start(t, what)
			up(t, p)
			patience := time.Minute
			if want != "" {
				patience = time.Millisecond
			}
			err := p.Stop(patience)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Fatalf("Stop: %v, want %q", err, want)
			}
			if err := syscall.Kill(p.PID(), 0); err != syscall.ESRCH {
				t.Errorf("the process is still there: %v", err)
			}
			if what == "obey" && !strings.Contains(p.Output(), "down") {
				t.Errorf("what it printed at its end is missing: %q", p.Output())
			}
		})
	}
}

// TestEndedEarly reports a process that ends instead of serving, with what it said.
func TestEndedEarly(t *testing.T) {
	p := start(t, "fail")
	never := func() error { return errors.New("never") }
	for what, err := range map[string]error{"Ready": p.Ready(t.Context(), never), "Stop": p.Stop(time.Minute), "Wait": p.Wait(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such thing") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := start(t, "succeed").Wait(t.Context()); err != nil {
		t.Errorf("Wait for a success: %v", err)
	}
	if _, err := Start("nothing", nil, "/nowhere/nothing"); err == nil || !strings.Contains(err.Error(), "start nothing") {
		t.Errorf("Start of no program: %v", err)
	}
}

// TestGivesUp ends waiting with the context.
func TestGivesUp(t *testing.T) {
	p := start(t, "default")
	up(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Ready(ctx, func() error { return errors.New("busy") }); err == nil || !strings.Contains(err.Error(), "does not answer: busy") {
		t.Errorf("Ready: %v", err)
	}
	if err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v", err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("Wait has given up and left the process running")
	}
}

func TestFigures(t *testing.T) {
	p := start(t, "work")
	up(t, p)
	cpu, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	if cpu < 180*time.Millisecond || cpu > 10*time.Second {
		t.Errorf("CPU is %v, though the process has used a little more than 200ms", cpu)
	}
	m, err := p.Memory()
	if err != nil {
		t.Fatal(err)
	}
	if m.Resident < 64<<20 || m.Resident > 1<<30 || m.Peak < m.Resident {
		t.Errorf("%+v, though the process keeps 64 MiB", m)
	}
	p.Kill()
	if _, err := p.CPU(); err == nil {
		t.Error("CPU of a process that has ended")
	}
	if _, err := p.Memory(); err == nil {
		t.Error("Memory of a process that has ended")
	}
}

func TestParse(t *testing.T) {
	ticks, err := parseStat([]byte("7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 30 12 5 6 20 0 9 0 1 2 3"))
	if err != nil || ticks != 42 {
		t.Errorf("parseStat: %d, %v", ticks, err)
	}
	for _, bad := range []string{"", "7 (a", "7 (a) S 1", "7 (a) S 1 7 7 0 -1 4194560 1 0 0 0 x 12 5"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("parseStat took %q", bad)
		}
	}
	m, err := parseStatus([]byte("Name:\tx\nVmHWM:\t    200 kB\nVmRSS:\t     100 kB\nThreads:\t3\n"))
	if err != nil || m != (Memory{Resident: 100 << 10, Peak: 200 << 10}) {
		t.Errorf("parseStatus: %+v, %v", m, err)
	}
	for _, bad := range []string{"", "VmRSS:\tmany kB\nVmHWM:\t1 kB\n", "VmHWM:\t1 kB\n"} {
		if _, err := parseStatus([]byte(bad)); err == nil {
			t.Errorf("parseStatus took %q", bad)
		}
	}
}

func TestTail(t *testing.T) {
	var out tail
	for i := range 100_000 {
		fmt.Fprintf(&out, "%d\n", i)
	}
	if s := out.String(); len(s) != maxTail || !strings.HasSuffix(s, "99998\n99999\n") {
		t.Errorf("%d bytes are kept, to %q", len(s), s[len(s)-12:])
	}
}

func TestFreePort(t *testing.T) {
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	lis.Close()
}
