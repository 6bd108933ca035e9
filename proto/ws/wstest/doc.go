// Package wstest asks a WebSocket server the questions of the Autobahn test suite's fuzzing client
// (github.com/crossbario/autobahn-testsuite, sections 1 to 7, 9, 10, 12 and 13), each under its number there. It is for tests: of the
// codec, behind a server that does nothing but echo, and of the whole server.
//
// The client here has a codec of its own, which writes what no client may write, and compresses by the standard
// library, so that a mistake in proto/ws is not made on both sides. It knows four verdicts of Autobahn's on what was
// received: OK, NON-STRICT (the server failed the connection as it must, but dropped an answer to what came before),
// INFORMATIONAL (the RFC leaves it open), FAILED; and on how the connection ended: OK, UNCLEAN, WRONG-CODE, FAILED-BY-CLIENT (the
// server leaves it to the client to close the TCP connection), FAILED.
//
// What differs from Autobahn: it waits a second where a server could still do something wrong, and so takes minutes; here a
// case goes on as soon as it knows. Its compressed messages are pieces of five files (JSON, a picture, Goethe's Faust, HTML,
// a PDF), ours are of five generators of the like. Sections 12 and 13 exchange 1,000 messages a case there, 11 GB in all;
// here as many as make half a megabyte, and at least 10, unless [Suite].Full is set (by the flag -autobahn of the tests that
// use it). Contents are compared everywhere.
package wstest
