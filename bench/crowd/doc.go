// Package crowd holds many connections that listen, WebSockets or subscribers of Redis, and measures what a server sends
// to them.
//
// [Gather] opens the connections, the members, each of which joins a room: a path that is asked for with an upgrade, or a
// channel that is subscribed to. [Crowd.Broadcast] lets one member speak to a room and counts what all of them hear;
// [Crowd.Echo] lets each member speak and hear its own words. The connections stay from one run to the next.
//
//	c, err := crowd.Gather(ctx, crowd.Options{Addr: "127.0.0.1:8787", Rooms: []string{"/room?id=a"}, Members: 1000})
//	warm, err := c.Broadcast(ctx, 8, crowd.Until{Elapsed: time.Second})
//	result, err := c.Broadcast(ctx, 8, crowd.Until{Elapsed: 5 * time.Second})
//
// # The window
//
// A member that spoke as fast as it can would measure the server's buffers, and one that waited for each message alone
// would measure a round trip. So a broadcast has a window: that many messages are sent at first, and from then on one for
// each that comes back to the member that has spoken, which listens like all others. Window 1 is a conversation, window 8 a
// busy room, where a server may put several messages into one write. The speaker learns nothing of the other members, as a
// real one would not. A server that serves it first could therefore fall behind with the others: the run ends when the last
// member has heard the last message, the time counts until then, and Result.Behind says how far behind it was at most.
//
// # Right deliveries only
//
// Every member compares each message, to the byte, with the one that it must hear next. A message that is lost, doubled,
// changed, out of order, of another kind, or too many ends the run with an error that names the member, and no figures. So the
// number of deliveries is exact: messages times members.
//
// # What it costs
//
// Crowd and server usually share one small machine: one goroutine, one epoll instance, one large buffer that all members are
// read through, a parser that looks at each byte of a message once, no allocation for each message. Result.Own is the
// processor time of this process, so that a report can say whether it was the crowd that was slow.
package crowd
