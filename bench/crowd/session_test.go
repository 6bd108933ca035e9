package crowd

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"everloop/bench/drive"
	"everloop/bench/drive/links"
)

// halls is a hall for each path.
func halls(t *testing.T, change func(delivery int64, own bool, text string, send func(string)) bool) string {
	t.Helper()
	h := &hall{change: change}
	if change != nil {
		return h.webSockets(t)
	}
	rooms := map[string]*hall{}
	for i := range 3 {
		rooms[fmt.Sprintf("/%d", i)] = &hall{}
	}
	return serveSockets(t, func(ws *websocket.Conn) {
		h := rooms[ws.Request().URL.Path]
		say := h.join(func(s string) error { return websocket.Message.Send(ws, s) })
		for {
			var text string
			if websocket.Message.Receive(ws, &text) != nil {
				return
			}
			say(text)
		}
	})
}

func TestRooms(t *testing.T) {
	for _, speakers := range []int{1, 3} {
		addr := halls(t, nil) // of its own: a crowd must not meet the members of the one before
		target := &Rooms{Options: Options{Addr: addr, Rooms: []string{"/0", "/1", "/2"}, Members: 12}, Speakers: speakers}
		r, err := drive.Run(t.Context(), target, drive.Plan{Conns: target.Lines(), Depth: 4, Count: 600})
		if err != nil {
			t.Fatal(err)
		}
		if r.Counts.OK != 600 || r.Counts.Delivered != 600*4 || r.Conns != 3*speakers {
			t.Errorf("%d speakers each: %d messages with %d deliveries on %d connections, want 600, 2400, %d",
				speakers, r.Counts.OK, r.Counts.Delivered, r.Conns, 3*speakers)
		}
		if r.Times.Latency.Count() != 600 {
			t.Errorf("%d latencies", r.Times.Latency.Count())
		}
	}
}

// A message that is lost, doubled or changed ends the run.
func TestRoomsThatLie(t *testing.T) {
	for name, change := range map[string]func(n int64, own bool, text string, send func(string)) bool{
		"lost":    func(n int64, _ bool, _ string, _ func(string)) bool { return n == 50 },
		"doubled": func(n int64, _ bool, text string, send func(string)) bool { send(text); return n != 50 },
		"changed": func(n int64, _ bool, text string, send func(string)) bool {
			if n != 50 {
				return false
			}
			send(text[:len(text)-1] + "!")
			return true
		},
		"forged": func(n int64, _ bool, text string, send func(string)) bool {
			if n != 50 {
				return false
			}
			send("b00000099" + text[9:])
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			target := &Rooms{Options: Options{Addr: halls(t, change), Rooms: []string{"/"}, Members: 4}}
			r, err := drive.Run(t.Context(), target, drive.Plan{Conns: 1, Depth: 4, Count: 100, Timeout: time.Second})
			if err == nil || r == nil || len(r.Failed) == 0 {
				t.Fatalf("the run has found nothing: %v, %+v", err, r)
			}
			if !strings.Contains(err.Error(), "heard") && !strings.Contains(err.Error(), "more than were sent") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestEchoTarget(t *testing.T) {
	h := &hall{echo: true}
	to, err := links.Resolve(t.Context(), h.webSockets(t), false)
	if err != nil {
		t.Fatal(err)
	}
	p := drive.Plan{Conns: 3, Depth: 2, Count: 300, Writes: 1, Sizes: drive.Sizes{Low: 30, High: 300}}
	r, err := drive.Run(t.Context(), EchoTarget(to, "x", drive.ParseTemplate("/{key}"), 2), p)
	if err != nil || r.Counts.OK != 300 {
		t.Fatalf("%v: %+v", err, r)
	}
	h = &hall{echo: true, change: func(n int64, _ bool, text string, send func(string)) bool {
		if n%10 != 0 {
			return false
		}
		send(text + "!")
		return true
	}}
	if to, err = links.Resolve(t.Context(), h.webSockets(t), false); err != nil {
		t.Fatal(err)
	}
	r, err = drive.Run(t.Context(), EchoTarget(to, "x", drive.ParseTemplate("/{key}"), 2), p)
	if err != nil || r.Counts.OK != 270 || len(r.Failed) != 1 || r.Failed[0].Kind != drive.FailedAnswer {
		t.Errorf("%v: %+v, want 30 wrong answers", err, r)
	}
}

func TestListen(t *testing.T) {
	h := &hall{}
	joined := 0
	c, err := Gather(t.Context(), Options{Addr: h.webSockets(t), Rooms: []string{"/"}, Members: 10, Joined: func(took time.Duration) {
		if took <= 0 {
			t.Errorf("a member took %v to join", took)
		}
		joined++
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if joined != 10 {
		t.Errorf("%d members have joined, want 10", joined)
	}
	if err := c.Listen(t.Context(), 50*time.Millisecond, nil); err != nil {
		t.Error(err)
	}
	gone := &hall{}
	gathered := make(chan struct{})
	addr := serveSockets(t, func(ws *websocket.Conn) { gone.join(nil); <-gathered }) // and closes
	if c, err = Gather(t.Context(), Options{Addr: addr, Rooms: []string{"/"}}); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	close(gathered)
	if err := c.Listen(t.Context(), 10*time.Second, nil); err == nil {
		t.Error("a connection that ended was not missed")
	}
}
