package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"everloop/engine"
)

// routed is a request by way of a RouteFunc.
func (s *stepped) routed(f engine.RouteFunc, r *engine.Request) (*engine.Event, *answer) {
	a := new(answer)
	return s.Port(s.pool.Loop(0)).Enter(f, r, a), a
}

// A route sends each request to the object that it chooses, on whichever loop that lives, also when it is called by another entry point; and the
// answer waits for the disk.
func TestRoute(t *testing.T) {
	for _, loops := range []int{1, 2} {
		s := step(t, loops, 1)
		register(t, s.Engine, "Counter", engine.ClassOf(newCounter))
		route := engine.RouteFunc(func(p *engine.Port, r *engine.Request) (*engine.Stub, *engine.Response) {
			if r.Path() == "/none" {
				return nil, engine.TextResponse(404, "none")
			}
			return p.Namespace("Counter").GetByName(r.Path()), nil
		})
		again := engine.EntrypointFunc(func(ctx context.Context, env *engine.Event, r *engine.Request) (*engine.Response, error) {
			return env.Entry(route).Fetch(ctx, r)
		})
		for _, want := range []string{"1", "2", "3"} {
			for _, path := range []string{"/a", "/b", "/c", "/d"} {
				_, a := s.routed(route, &engine.Request{Method: "GET", URL: "http://h" + path})
				s.pool.Run()
				if a.done {
					t.Errorf("%d loops: %s was answered before its count was durable", loops, path)
				}
				s.settle()
				if !a.done || a.got.Err != nil || string(a.got.Response.Body.Bytes()) != want {
					t.Fatalf("%d loops: %s: %+v, want %s", loops, path, a, want)
				}
			}
		}
		for path, want := range map[string]string{"/a": "4", "/b": "4", "/c": "4", "/d": "4", "/none": "none"} {
			a := new(answer)
			s.Port(s.pool.Loop(0)).Enter(again, &engine.Request{Method: "GET", URL: "http://h" + path}, a)
			s.settle()
			if !a.done || a.got.Err != nil || string(a.got.Response.Body.Bytes()) != want {
				t.Fatalf("%d loops: %s by an entry point: %+v, want %s", loops, path, a, want)
			}
		}
		ev, a := s.routed(route, &engine.Request{Method: "GET", URL: "http://h/none"})
		if ev != nil || !a.done || a.got.Err != nil || a.got.Response.Status != 404 {
			t.Errorf("%d loops: what the route answers itself: %v, %+v", loops, ev, a)
		}
		if n := s.EventsUnderWay(0); n != 0 {
			t.Errorf("%d loops: %d events of entry points are left", loops, n)
		}
	}
}

// A route that fails, or does what it may not do, fails its request, and nothing else.
func TestRouteThatFails(t *testing.T) {
	s := step(t, 1, 1)
	ns := register(t, s.Engine, "Counter", engine.ClassOf(newCounter))
	var inside error
	for want, f := range map[string]engine.RouteFunc{
		"panic: boom": func(*engine.Port, *engine.Request) (*engine.Stub, *engine.Response) { panic("boom") },
		"neither a stub nor a response": func(*engine.Port, *engine.Request) (*engine.Stub, *engine.Response) {
			inside = ns.GetByName("a").Call(context.Background(), "Value", nil)
			return nil, nil
		},
		engine.ErrForeignID.Error(): func(*engine.Port, *engine.Request) (*engine.Stub, *engine.Response) {
			return ns.Get(engine.ID{}), nil
		},
	} {
		_, a := s.routed(f, &engine.Request{Method: "GET", URL: "http://h/"})
		s.settle()
		if !a.done || a.got.Err == nil || !strings.Contains(a.got.Err.Error(), want) {
			t.Errorf("%+v, want an error with %q", a, want)
		}
		if e, ok := errors.AsType[*engine.Error](a.got.Err); ok && strings.Contains(e.Stack, "RouteFunc.choose") {
			t.Errorf("the stack is that of the engine, too:\n%s", e.Stack)
		}
	}
	if !errors.Is(inside, engine.ErrInsideTurn) {
		t.Errorf("a call that waits: %v", inside)
	}
	_, a := s.routed(func(p *engine.Port, _ *engine.Request) (*engine.Stub, *engine.Response) {
		return p.Namespace("Counter").GetByName("a"), nil
	}, &engine.Request{Method: "GET", URL: "http://h/"})
	s.settle()
	if a.got.Err != nil || string(a.got.Response.Body.Bytes()) != "1" {
		t.Errorf("%+v after that, want 1", a)
	}
}

// leaver is an object that answers when its caller has left.
type leaver struct {
	st   *engine.State
	left *int
}

func (l *leaver) Fetch(ctx context.Context, _ *engine.Request) (*engine.Response, error) {
	err := l.st.Do(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil })
	*l.left++
	return nil, err
}

// The object that a route chose hears when the client leaves.
func TestRouteClientLeaves(t *testing.T) {
	for _, loops := range []int{1, 2} {
		s := step(t, loops, 1)
		left := 0
		register(t, s.Engine, "Leaver", engine.ClassOf(func(st *engine.State) (*leaver, error) { return &leaver{st, &left}, nil }))
		var under []*engine.Event
		for _, name := range []string{"a", "b", "c", "d"} {
			ev, _ := s.routed(func(p *engine.Port, _ *engine.Request) (*engine.Stub, *engine.Response) {
				return p.Namespace("Leaver").GetByName(name), nil
			}, &engine.Request{Method: "GET", URL: "http://h/"})
			under = append(under, ev)
		}
		s.pool.Run()
		for _, ev := range under {
			ev.Gone()
		}
		s.within("the objects hear of it", func() bool { return left == len(under) })
	}
}
