//go:build poll_opt

package loop

// With this build tag gnet keeps pointers in epoll where poller.go puts descriptors, and the program would crash. So
// it is not to be built.
var _ int = "loop: gnet's build tag poll_opt is not supported"
