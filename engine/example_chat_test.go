package engine_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"everloop/engine"
	"everloop/loop"
)

// ChatRoom is an object with WebSockets: what one visitor says goes to all. While nobody says anything it hibernates; its sockets stay open.
type ChatRoom struct{ st *engine.State }

// NewChatRoom makes the instance.
func NewChatRoom(st *engine.State) (*ChatRoom, error) { return &ChatRoom{st}, nil }

// Fetch lets a visitor in. The name is kept with the socket, as variables do not outlive the instance.
func (c *ChatRoom) Fetch(_ context.Context, r *engine.Request) (*engine.Response, error) {
	client, server := c.st.WebSocketPair()
	if err := c.st.AcceptWebSocket(server); err != nil {
		return nil, err
	}
	if err := server.SetAttachment([]byte(r.Header.Get("name"))); err != nil {
		return nil, err
	}
	return &engine.Response{Status: 101, WebSocket: client}, nil
}

// WebSocketMessage passes a message on. It counts it first: what the visitors see is durable.
func (c *ChatRoom) WebSocketMessage(_ context.Context, ws *engine.WebSocket, m *engine.Message) error {
	n, _, err := engine.Get[int](c.st.Storage(), "count")
	if err != nil {
		return err
	}
	if err := c.st.Storage().Put("count", n+1); err != nil {
		return err
	}
	text := fmt.Sprintf("%d: %s says %s", n+1, ws.Attachment(), m.Data)
	c.st.Broadcast(engine.TextMessage(text), engine.BroadcastOptions{})
	return nil
}

// WebSocketClose tells the others.
func (c *ChatRoom) WebSocketClose(_ context.Context, ws *engine.WebSocket, _ int, _ string, _ bool) error {
	c.st.Broadcast(engine.TextMessage(string(ws.Attachment())+" has left"), engine.BroadcastOptions{})
	return nil
}

// visitor stands for the connection of a client, which package server makes of a real one.
type visitor struct{ heard chan string }

func (v *visitor) Message(m *engine.Message)      { v.heard <- string(m.Data) }
func (v *visitor) Closed(int, string, bool)       { close(v.heard) }
func (v *visitor) Failed(error)                   { close(v.heard) }
func (v *visitor) hears() string                  { return <-v.heard }
func newVisitor() *visitor                        { return &visitor{make(chan string, 16)} }
func onLoopOf(eng *engine.Engine, fn func())      { eng.Pool().Loop(0).Post(loop.Func(fn)) }
func header(name, value string) (h engine.Header) { h.Add(name, value); return h }

func Example_chatRoom() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	eng, err := engine.Open(engine.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer eng.Close(context.Background())
	rooms, err := eng.Register("ChatRoom", engine.ClassOf(NewChatRoom))
	if err != nil {
		fmt.Println(err)
		return
	}

	visitors := map[string]*visitor{"Ada": newVisitor(), "Grace": newVisitor()}
	sockets := make(map[string]*engine.WebSocket)
	for name, v := range visitors {
		resp, err := rooms.GetByName("lobby").Fetch(context.Background(), &engine.Request{Method: "GET", URL: "http://room/", Header: header("name", name)})
		if err != nil {
			fmt.Println(err)
			return
		}
		sockets[name] = resp.WebSocket
		held := make(chan error)
		onLoopOf(eng, func() { held <- eng.Port(eng.Pool().Loop(0)).HoldWebSocket(resp.WebSocket, v) })
		if err := <-held; err != nil {
			fmt.Println(err)
			return
		}
	}
	onLoopOf(eng, func() { _ = sockets["Ada"].Send(engine.TextMessage("hello")) })
	fmt.Println("Ada hears:", visitors["Ada"].hears())
	fmt.Println("Grace hears:", visitors["Grace"].hears())
	onLoopOf(eng, func() { _ = sockets["Ada"].Close(1000, "") })
	fmt.Println("Grace hears:", visitors["Grace"].hears())
	// Output:
	// Ada hears: 1: Ada says hello
	// Grace hears: 1: Ada says hello
	// Grace hears: Ada has left
}
