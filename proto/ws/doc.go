// Package ws reads and writes WebSockets (RFC 6455) with compression of messages (RFC 7692): bytes in, values out. It has
// no sockets, no goroutines and no clock.
package ws
