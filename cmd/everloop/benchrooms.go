package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	sockload "everloop/bench/crowd"
	"everloop/bench/drive"
	"everloop/bench/drive/links"
	"everloop/bench/proc"
	results "everloop/bench/report"
)

// benchRoomsCmd is `everloop bench ws-broadcast`.
type benchRoomsCmd struct {
	URL      string `arg:"" help:"ws://HOST:PORT/PATH?QUERY. {key} in it stands for the number of a room. The server must send what a member says to all members, unchanged."`
	Rooms    int    `default:"1" help:"Number of rooms."`
	Members  int    `default:"100" help:"Members of each room."`
	Speakers int    `default:"1" help:"Members of each room that speak, and listen like all."`
	Window   int    `default:"8" help:"Messages of one speaker that are under way at most: sent, and not yet heard by all."`
	Size     int    `name:"message-size" default:"64" placeholder:"BYTES" help:"Length of a message, from 24 to 32768."`

	Duration time.Duration `short:"d" default:"10s" help:"How long to measure. At most an hour, unless --no-limit is given."`
	Messages uint64        `short:"n" placeholder:"N" help:"End after so many messages, those of the warm-up included, or after --duration."`
	Warmup   time.Duration `default:"1s" help:"How long to warm up before, which is not recorded."`
	Rate     string        `short:"r" placeholder:"RATE" help:"Messages a second of all speakers together (an open loop), as 500, 100-2000 or 100-2000/10. Without it, each speaker goes on when an older message was heard by all."`
	Arrivals string        `enum:"uniform,poisson" default:"uniform" help:"With --rate: whether messages are due evenly or by chance (${enum})."`
	Timeout  time.Duration `default:"10s" help:"How long all of a room may take to hear a message. Later ends the run, as does a message that is lost, doubled or changed."`
	NoLimit  bool          `name:"no-limit" help:"Lift the limits: 10,000 members in all, an hour."`

	targetFlags `embed:""`
	resultFlags `embed:""`
}

// Help is printed below the flags.
func (*benchRoomsCmd) Help() string {
	return `A room of 1,000, and ten rooms of 100 where two speak, 200 times a second in all:

    everloop bench ws-broadcast --members 1000 'ws://127.0.0.1:8080/room?name=r{key}'
    everloop bench ws-broadcast --rooms 10 --speakers 2 --rate 200 'ws://127.0.0.1:8080/room?name=r{key}'`
}

// pace is the flags as those of the other commands.
func (c *benchRoomsCmd) pace() *paceFlags {
	return &paceFlags{
		Connections: max(c.Rooms*c.Speakers, 1), Pipeline: c.Window, Duration: c.Duration, Requests: c.Messages, Warmup: c.Warmup, Rate: c.Rate,
		Arrivals: c.Arrivals, Timeout: c.Timeout, Workers: 1, NoLimit: c.NoLimit,
	}
}

// Validate is called by kong once all values are there.
func (c *benchRoomsCmd) Validate() error {
	if c.Rooms < 1 || c.Members < 1 || c.Speakers < 1 || c.Speakers > c.Members {
		return errors.New("--rooms, --members and --speakers: want numbers from 1 on, and no more speakers than members")
	}
	if c.Rooms*c.Members > 10_000 && !c.NoLimit {
		return errors.New("--rooms times --members: more than 10,000 need --no-limit")
	}
	_, path, err := splitURL(c.URL, "ws://", "http://")
	if err == nil {
		err = sockload.ValidatePath(path)
	}
	return errors.Join(err, c.pace().Validate())
}

// roomsAt are the paths of rooms, and the address to connect to.
func (f *targetFlags) roomsAt(url string, n int) (addr string, rooms []string, err error) {
	host, path, err := splitURL(url, "ws://", "http://")
	if err != nil {
		return "", nil, err
	}
	to, err := f.resolve(context.Background(), withPort(host))
	if err != nil {
		return "", nil, err
	}
	at, err := ipv4(to)
	t := drive.ParseTemplate(path)
	for i := range n {
		rooms = append(rooms, string(t.Append(nil, &drive.Op{Key: uint64(i), Number: uint64(i)})))
	}
	return at, rooms, err
}

// ipv4 is an address as package crowd takes it.
func ipv4(a links.Address) (string, error) {
	at, ok := a.AddrPort()
	if !ok || !at.Addr().Is4() {
		return "", fmt.Errorf("%s is no address of IPv4, which this load needs", a)
	}
	return at.String(), nil
}

// Run makes the load.
func (c *benchRoomsCmd) Run(stdout io.Writer) error {
	addr, rooms, err := c.roomsAt(c.URL, c.Rooms)
	if err != nil {
		return err
	}
	t := &sockload.Rooms{
		Options:  sockload.Options{Addr: addr, Rooms: rooms, Members: c.Rooms * c.Members, Size: c.Size, Timeout: c.Timeout},
		Speakers: c.Speakers,
	}
	if err := t.Validate(); err != nil {
		return err
	}
	pace := c.pace()
	p, err := pace.plan()
	if err != nil {
		return err
	}
	s := scenario{name: "ws-broadcast", target: c.URL, unit: "messages", pace: pace, pid: c.PID, reads: "message", conns: c.Rooms * c.Members}
	for name, value := range map[string]int{"rooms": c.Rooms, "members of each": c.Members, "speakers of each": c.Speakers, "window": c.Window, "message size": c.Size} {
		s.settings = append(s.settings, results.Setting{Name: name, Value: strconv.Itoa(value)})
	}
	sortSettings(s.settings)
	return s.drive(stdout, t, p, &c.resultFlags)
}

// benchIdleCmd is `everloop bench ws-idle`.
type benchIdleCmd struct {
	URL         string        `arg:"" help:"ws://HOST:PORT/PATH?QUERY. {key} in it stands for the number of a room."`
	Rooms       int           `default:"1" help:"Number of rooms, among which the connections are shared out."`
	Connections int           `short:"c" default:"1000" help:"Connections. At most 10,000, unless --no-limit is given; each needs a descriptor here and one of the server's."`
	Hold        time.Duration `default:"5s" help:"How long they are kept, before memory is measured again."`
	Timeout     time.Duration `default:"10s" help:"How long a server may take to let one in."`
	NoLimit     bool          `name:"no-limit" help:"Lift the limits: 10,000 connections, an hour."`

	targetFlags `embed:""`
	resultFlags `embed:""`
}

// Help is printed below the flags.
func (*benchIdleCmd) Help() string {
	return `How long 10,000 take to open, and what one costs when its object has gone to sleep:

    everloop bench ws-idle --connections 10000 --hold 20s --pid "$(pidof everloop)" 'ws://127.0.0.1:8080/room?name=a'`
}

// Validate is called by kong once all values are there.
func (c *benchIdleCmd) Validate() error {
	_, path, err := splitURL(c.URL, "ws://", "http://")
	if err == nil {
		err = sockload.ValidatePath(path)
	}
	switch {
	case err != nil:
		return err
	case c.Rooms < 1 || c.Connections < 1 || c.Hold < 0 || c.Timeout <= 0:
		return errors.New("--rooms, --connections, --hold and --timeout: want numbers above zero")
	case (c.Connections > 10_000 || c.Hold > time.Hour) && !c.NoLimit:
		return errors.New("more than 10,000 --connections, or a --hold above an hour, need --no-limit")
	}
	return nil
}

// Run opens the connections, and measures.
func (c *benchIdleCmd) Run(stdout io.Writer) error {
	before, err := c.before()
	if err != nil {
		return err
	}
	addr, rooms, err := c.roomsAt(c.URL, c.Rooms)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal()
	defer stop()
	memory := func() (m proc.Memory, err error) {
		if c.PID > 0 {
			m, err = proc.MemoryOf(strconv.Itoa(c.PID))
		}
		return m, err
	}
	empty, err := memory()
	if err != nil {
		return fmt.Errorf("--pid: %w", err)
	}
	live := &results.Live{}
	if c.Live != "off" {
		live = results.NewLive(os.Stderr, results.LiveOptions{Title: "ws-idle " + c.URL, Unit: "connections"})
		defer live.End()
	}
	live.Update(results.Tick{Phase: "connecting", DoneOf: int64(c.Connections)})
	pace := &paceFlags{}
	s := scenario{name: "ws-idle", target: c.URL, unit: "connections", pace: pace, pid: c.PID}
	s.settings = []results.Setting{{Name: "hold", Value: c.Hold.String()}, {Name: "rooms", Value: strconv.Itoa(c.Rooms)}}
	r := s.result(drive.Plan{Conns: c.Connections, Count: uint64(c.Connections)})
	r.Started, r.Latency = time.Now().UTC(), results.NewHistogram()
	own, err := proc.CPUOf("self")
	if err != nil {
		return err
	}
	all, err := sockload.Gather(ctx, sockload.Options{
		Addr: addr, Rooms: rooms, Members: c.Connections, Timeout: c.Timeout, Joined: r.Latency.Record,
	})
	r.Totals.Elapsed = time.Since(r.Started)
	r.Totals.Requests = r.Latency.Count()
	r.Totals.GeneratorCores = 1
	if now, cerr := proc.CPUOf("self"); cerr == nil {
		r.Totals.GeneratorCPU = now - own
	}
	r.Ended = results.EndedCount
	if err != nil {
		live.End()
		r.Ended = results.EndedFailed
		r.Totals.Errors = 1
		r.Errors = []results.Failure{{Kind: drive.FailedConnect, Count: 1, Example: err.Error(), First: r.Totals.Elapsed}}
		return errors.Join(c.print(stdout, r, before), err)
	}
	defer all.Close()
	full, err := memory()
	if err != nil {
		return fmt.Errorf("--pid: %w", err)
	}
	held := time.Now()
	err = all.Listen(ctx, c.Hold, func(passed time.Duration) {
		live.Update(results.Tick{Phase: "holding", At: passed, Of: c.Hold, Open: c.Connections})
	})
	live.End()
	switch {
	case ctx.Err() != nil:
		r.Ended = results.EndedInterrupted
	case err != nil:
		r.Errors = []results.Failure{{Kind: drive.FailedClosed, Count: 1, Example: err.Error(), First: time.Since(r.Started)}}
		r.Totals.Errors = 1
	}
	r.Figures = []results.Figure{
		{Name: "connections that stayed", Value: float64(c.Connections) - float64(r.Totals.Errors), Unit: results.UnitCount, Better: 1},
		{Name: "held", Value: float64(time.Since(held).Nanoseconds()), Unit: results.UnitDuration},
	}
	if last, merr := memory(); c.PID > 0 && merr == nil {
		r.Totals.ServerResident = last.Resident
		each := func(m proc.Memory) float64 { return float64(m.Resident-empty.Resident) / float64(c.Connections) }
		r.Figures = append(r.Figures,
			results.Figure{Name: "memory of one when opened", Value: each(full), Unit: results.UnitBytes, Better: -1},
			results.Figure{Name: "memory of one after " + c.Hold.String(), Value: each(last), Unit: results.UnitBytes, Better: -1})
	}
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(c.print(stdout, r, before), err)
}
