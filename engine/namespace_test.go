package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"everloop/engine"
)

// An event finds the same objects by their names as everybody else: before they exist, while the loop remembers where they are, when
// they have gone and come again, those of other classes and other loops, and when it uses its stubs in another order than it took them in.
func TestGetByNameInAnEvent(t *testing.T) {
	names := []string{"", "a", "b", strings.Repeat("long", 500)}
	for _, loops := range []int{1, 2} {
		s := step(t, loops, 1)
		outside := map[string]*engine.Namespace{}
		for _, class := range []string{"One", "Two"} {
			outside[class] = register(t, s.Engine, class, engine.ClassOf(newCounter))
		}
		port := s.Port(s.pool.Loop(0))
		visit := func(want string) {
			t.Helper()
			var a answer
			port.Enter(engine.EntrypointFunc(func(ctx context.Context, env *engine.Event, r *engine.Request) (*engine.Response, error) {
				var stubs []*engine.Stub
				for class, ns := range outside {
					for _, name := range names {
						stub := env.Namespace(class).GetByName(name)
						id := stub.ID()
						if got, _ := id.Name(); !id.Equal(ns.IDFromName(name)) || got != name {
							t.Errorf("%s %.10q: found %v, named %.10q", class, name, id, got)
						}
						if again := port.Namespace(class).GetByName(name).ID(); !again.Equal(id) {
							t.Errorf("%s %.10q: the port finds %v, want %v", class, name, again, id)
						}
						stubs = append(stubs, stub)
					}
				}
				for _, stub := range stubs {
					got, err := stub.Fetch(ctx, r)
					if err != nil {
						return nil, err
					}
					if string(got.Body.Bytes()) != want {
						t.Errorf("%v counts %s, want %s", stub.ID(), got.Body.Bytes(), want)
					}
				}
				return engine.TextResponse(200, "ok"), nil
			}), &engine.Request{Method: "GET", URL: "http://h/"}, &a)
			s.settle()
			if !a.done || a.got.Err != nil {
				t.Fatalf("%d loops: %v, %v", loops, a.done, a.got.Err)
			}
		}
		for n := range 4 {
			visit(fmt.Sprint(n + 1))
		}
		for _, ns := range outside {
			for _, name := range names {
				s.start(ns.GetByName(name), "Clear")
			}
		}
		s.settle()
		visit("1")
		visit("2")
	}
}

// An answer that comes when its caller has given up ends no later wait of that caller.
func TestLateAnswer(t *testing.T) {
	e := open(t, engine.Options{Loops: 1})
	release := map[string]chan struct{}{"first": make(chan struct{}), "second": make(chan struct{})}
	gaveUp := make(chan struct{})
	ns := register(t, e, "C", engine.ClassOf(func(st *engine.State) (*patient, error) {
		name, _ := st.ID().Name()
		return &patient{func(ctx context.Context) (string, error) {
			if held := release[name]; held != nil {
				return name, st.Do(ctx, func(context.Context) error { <-held; return nil })
			}
			var got string
			for range 2 { // so that waits have ended well before
				if err := st.Namespace("C").GetByName("other").Call(ctx, "Name", &got); err != nil {
					return "", err
				}
			}
			short, cancel := context.WithCancel(ctx)
			context.AfterFunc(short, func() { close(gaveUp) })
			st.After(0, cancel)
			if err := st.Namespace("C").GetByName("first").Call(short, "Run", &got); err == nil {
				return "", fmt.Errorf("the wait goes on")
			}
			err := st.Namespace("C").GetByName("second").Call(ctx, "Run", &got)
			if err != nil {
				return "", err
			}
			return got, st.Namespace("C").GetByName("other").Call(ctx, "Name", nil)
		}, name}, nil
	}))
	done := make(chan *answer, 1)
	ns.GetByName("caller").StartCall("Run", encode(t, []any{}), engine.ReplyFunc(func(r engine.Reply) { done <- &answer{done: true, got: r} }))
	<-gaveUp
	call[string](t, ns.GetByName("caller"), "Name") // a turn of the caller after that: it waits for the second
	close(release["first"])
	for range 3 {
		call[string](t, ns.GetByName("first"), "Name") // the late answer is on its way before these
		call[string](t, ns.GetByName("caller"), "Name")
	}
	close(release["second"])
	if a := <-done; a.got.Err != nil {
		t.Error(a.got.Err)
	} else if got := decode[string](t, a); got != "second" {
		t.Errorf("the second call was answered %q", got)
	}
}

type patient struct {
	run  func(ctx context.Context) (string, error)
	name string
}

func (p *patient) Run(ctx context.Context) (string, error) { return p.run(ctx) }
func (p *patient) Name() string                            { return p.name }
