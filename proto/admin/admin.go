// Package admin is the side of a server that its operator looks at: /healthz, /metrics in Prometheus' text format,
// the alarms that were given up (/alarms/failed, and /alarms/run to run one again), snapshots (a POST to /snapshot makes one), objects that go back in time
// (/objects/restore, /objects/fork, and /history for how far), and a page with the classes and the main
// figures at /.
//
// It is served by net/http on an address of its own, off the loops: it answers also when the loops are busy or
// stuck, and nothing that it does holds them up. It reads counters; what is known to the loops only, the alarms that were given
// up, it asks of them a slice at a time, and waits for no longer than 5 seconds.
//
// [Listen] serves on loopback to everyone there. On any other address it wants a token, which clients send as
// "Authorization: Bearer TOKEN". What changes something is a POST, and is refused to a browser that comes from any other page than
// this server's own.
//
// The figures of the parts that the engine does not know are given by functions, in types of this package that
// convert from those of the parts:
//
//	admin.Listen(admin.Options{
//		Engine: e,
//		HTTP: func() admin.HTTP { return admin.HTTP(srv.Metrics()) },
//		HTTPLatencyBounds: server.LatencyBounds[:],
//		Log: func() admin.Log {
//			s := log.Stats()
//			return admin.Log{
//				Commits: s.Commits, Empty: s.Empty, Inline: s.Inline, Syncs: s.Syncs, Records: s.Records,
//				Bytes: s.Bytes, Segments: s.Segments, Waiting: s.Waiting, SyncAverage: s.SyncAverage,
//				SyncTime: admin.Histogram(s.SyncTime), BatchRecords: admin.Histogram(s.BatchRecords),
//				BatchBytes: admin.Histogram(s.BatchBytes),
//			}
//		},
//	})
package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"everloop/engine"
)

// Bounds of the admin server. They are not options: nobody has a reason to change them.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = time.Minute
	maxHeaderBytes    = 16 << 10

	// MinToken is the number of characters that a token must have at least.
	MinToken = 16
)

// DefaultAddr is where the admin server listens if nothing else is said.
const DefaultAddr = "127.0.0.1:8788"

// Options configure the admin server. Engine must be set.
type Options struct {
	// Addr is "host:port". Default 127.0.0.1:8788.
	Addr string
	// Token must be presented by clients. It may be empty on loopback only, and has at least 16 characters
	// otherwise.
	Token string

	// Engine is what is shown.
	Engine *engine.Engine
	// Version is that of the program.
	Version string
	// HTTP reads the figures of the HTTP server, if there is one. It is called from any goroutine.
	HTTP func() HTTP
	// HTTPLatencyBounds are the upper bounds of HTTP.Latency in seconds, one fewer than it has counts.
	HTTPLatencyBounds []float64
	// RESP reads the figures of the server of RESP, if there is one. It is called from any goroutine.
	RESP func() RESP
	// Log reads the figures of the log, if it has any. It is called from any goroutine.
	Log func() Log

	// Logger takes what goes wrong. Default slog.Default().
	Logger *slog.Logger
}

// Server is a running admin server. Safe for concurrent use.
type Server struct {
	opts     Options
	lis      net.Listener
	http     http.Server
	token    [sha256.Size]byte // hashed, so that comparing tells nothing of its length either
	draining atomic.Bool
	served   chan struct{}
	runs     chan struct{} // one for each thing that is being done by hand
}

// Listen starts an admin server.
func Listen(o Options) (*Server, error) {
	if o.Engine == nil {
		return nil, errors.New("admin: Options.Engine is nil")
	}
	if o.Addr == "" {
		o.Addr = DefaultAddr
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Token != "" && len(o.Token) < MinToken {
		return nil, fmt.Errorf("admin: the token has %d characters: give it at least %d, drawn at random", len(o.Token), MinToken)
	}
	if len(o.HTTPLatencyBounds) != latencyBuckets-1 && o.HTTP != nil {
		return nil, fmt.Errorf("admin: %d bounds for %d counts of latencies", len(o.HTTPLatencyBounds), latencyBuckets)
	}
	lis, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("admin: cannot listen on %s: %w", o.Addr, err)
	}
	// The bound address is judged, not the given one: only it says what a name, or no host at all, has become.
	if o.Token == "" && !local(lis.Addr()) {
		_ = lis.Close()
		return nil, fmt.Errorf("admin: %s can be reached from other machines, and there is no token: set one, or listen on 127.0.0.1", o.Addr)
	}
	s := &Server{opts: o, lis: lis, token: sha256.Sum256([]byte(o.Token)), served: make(chan struct{}), runs: make(chan struct{}, maxRuns)}
	s.http = http.Server{
		Handler:           s.guarded(s.routes()),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
			o.Logger.Error("the admin server has ended", "addr", lis.Addr(), "err", err)
		}
	}()
	return s, nil
}

// local reports whether an address can be reached from this machine only.
func local(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// Addr is the address that the server is bound to.
func (s *Server) Addr() net.Addr { return s.lis.Addr() }

// Drain makes /healthz say that the server is about to end, so that whoever balances load sends it no more.
func (s *Server) Drain() { s.draining.Store(true) }

// Close ends the server: requests under way get until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.served
	return err
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.Handle("GET /metrics", s.metrics())
	mux.HandleFunc("GET /alarms/failed", s.failedAlarms)
	mux.HandleFunc("POST /alarms/run", s.runAlarm)
	mux.HandleFunc("POST /snapshot", s.snapshot)
	mux.HandleFunc("GET /history", s.history)
	mux.HandleFunc("POST /objects/restore", s.restoreObject)
	mux.HandleFunc("POST /objects/fork", s.forkObject)
	mux.HandleFunc("GET /{$}", s.page)
	return mux
}

// guarded lets those in who may see this.
func (s *Server) guarded(next http.Handler) http.Handler {
	// A page from elsewhere, be it the program's own on another port of this machine, can have a browser send a POST here. The
	// browser says where it comes from; what is no browser says nothing.
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "same-origin") // with less, a browser does not say that the page's button is ours
		switch {
		case s.opts.Token != "" && !s.authorized(r):
			h.Set("WWW-Authenticate", `Bearer realm="everloop admin"`)
			http.Error(w, "a token is wanted: send it as Authorization: Bearer TOKEN", http.StatusUnauthorized)
		case s.opts.Token == "" && !localHost(r.Host):
			// A page from elsewhere may have given its own name this machine's address (DNS rebinding) to
			// read what is here; its browser tells us that name.
			http.Error(w, "this server is called by the name localhost, or by an address", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (s *Server) authorized(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(given[:], s.token[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// localHost reports whether a Host field names this machine in a way that no name server decides on.
func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "" || strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}
