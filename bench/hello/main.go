// The program hello answers every request with the same few bytes, by fasthttp and nothing else. It is the upper bound
// that the counters are compared with: parsing, scheduling and sockets, with no state behind them.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/valyala/fasthttp"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to serve HTTP on, host:port")
	flag.Parse()
	srv := &fasthttp.Server{
		Name:    "hello",
		Handler: func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("hello\n") },
	}
	if err := srv.ListenAndServe(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}
