package admin

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// latencyBuckets is the number of counts in HTTP.Latency.
const latencyBuckets = 42

// HTTP are the figures of an HTTP server. The type has the fields of package server's Metrics, in its order, so
// that one converts to the other.
type HTTP struct {
	Conns      int
	Opened     uint64
	Requests   uint64
	InFlight   int64
	Status     [6]uint64
	Refused    uint64
	Latency    [latencyBuckets]uint64
	LatencySum float64

	Sockets                                   int64
	SocketsOpened                             uint64
	SocketsFailed, SocketsSlow, SocketsSilent uint64
	MessagesIn, MessagesOut                   uint64
	ClientsRefused                            uint64
}

// RESP are the figures of a server of RESP. The type has the fields of package server's RESPMetrics, in its order, so that one converts to
// the other.
type RESP struct {
	Conns                   int
	Opened                  uint64
	Commands                uint64
	Calls                   uint64
	InFlight                int64
	Errors                  uint64
	AuthFailures            uint64
	ProtocolErrors          uint64
	Rooms                   int64
	RoomsJoined             uint64
	RoomsSlow               uint64
	MessagesIn, MessagesOut uint64
	ClientsRefused          uint64
}

// Log are the figures of a log, as package wal's Stats has them.
type Log struct {
	Commits      uint64
	Empty        uint64
	Inline       uint64
	Syncs        uint64
	Records      uint64
	Bytes        uint64
	Segments     uint64
	Waiting      int64
	SyncAverage  time.Duration
	SyncTime     Histogram // microseconds
	BatchRecords Histogram
	BatchBytes   Histogram
}

// Histogram converts from package wal's, and has the form of package engine's counts: Buckets[i] counts values below 2^i that are in no bucket before; the last
// takes the rest.
type Histogram struct {
	Count   uint64
	Sum     uint64
	Max     uint64
	Buckets [32]uint64
}

// metrics is the handler of /metrics.
func (s *Server) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newCollector(s),
	)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4,
		ErrorLog:            promLog{s},
	})
}

// promLog passes on what the Prometheus library reports.
type promLog struct{ s *Server }

func (l promLog) Println(v ...any) { l.s.opts.Logger.Error("metrics", "err", v) }

// collector reads every figure when it is asked, so that nothing is counted twice and the hot paths know nothing
// of Prometheus.
type collector struct {
	s     *Server
	info  *prometheus.Desc
	descs map[string]*prometheus.Desc
}

// figure describes one figure: its name without the prefix, its labels, and what it means.
type figure struct {
	name   string
	labels []string
	help   string
}

var figures = []figure{
	{"engine_events_total", nil, "Events delivered to objects and entry points."},
	{"engine_live_objects", nil, "Objects with a live instance."},
	{"engine_objects", nil, "Objects with a live instance, or at rest with something stored, an alarm or WebSockets."},
	{"engine_gated_total", nil, "Answers that waited for the log before they left."},
	{"engine_outgoing_total", nil, "Requests that objects and entry points have sent to other servers."},
	{"engine_outgoing_in_flight", nil, "Requests to other servers that are under way: waiting, sent, or with the body of their answer still coming."},
	{"engine_websockets", nil, "WebSockets that objects and entry points hold: their ends of them."},
	{"engine_websockets_hibernating", nil, "WebSockets of objects that have no live instance."},
	{"engine_evictions_total", nil, "Idle instances that were dropped."},
	{"engine_failures_total", nil, "Events that were answered with an error."},
	{"engine_resets_total", nil, "Objects that were reset."},
	{"engine_classes", nil, "Registered classes."},
	{"engine_loops", nil, "Event loops."},
	{"alarms_pending", nil, "Alarms that are set, those that wait for a retry included."},
	{"alarms_fired_total", nil, "Runs of alarms that have ended."},
	{"alarms_retries_total", nil, "Runs of alarms that have failed and are tried again."},
	{"alarms_given_up_total", nil, "Alarms that have failed too often."},
	{"alarms_failed", nil, "Alarms that were given up, and neither set again nor run by hand."},
	{"alarms_late_seconds", nil, "Time from the moment of an alarm, or of its retry, to the start of its handler."},
	{"recovery_objects", nil, "Objects that were recovered at the start."},
	{"recovery_seconds", nil, "How long recovery took."},
	{"snapshot_running", nil, "1 while a snapshot is made."},
	{"snapshot_written_bytes", nil, "Bytes of objects that the snapshot in the making has so far."},
	{"snapshots_total", nil, "Snapshots that were installed."},
	{"snapshots_failed_total", nil, "Snapshots that were given up."},
	{"snapshot_seconds", nil, "How long the last snapshot took."},
	{"snapshots_seconds_total", nil, "How long all of them took."},
	{"snapshot_bytes", nil, "Bytes of the snapshot that a start would read."},
	{"snapshot_objects", nil, "Objects in the last snapshot."},
	{"snapshot_timestamp_seconds", nil, "When the snapshot that a start would read was made, in seconds since 1970; 0 without one."},
	{"snapshot_log_bytes", nil, "Bytes of log that a start would read behind the snapshot."},
	{"snapshot_kept_bytes", nil, "Bytes that are kept for time travel."},
	{"snapshot_history_timestamp_seconds", nil, "Since when history is kept, in seconds since 1970."},
	{"log_failed", nil, "1 if the log has failed: restart after the cause is mended."},
	{"log_writable", nil, "1 if writes are taken, 0 if they are refused."},
	{"log_durable_number", nil, "Number of the last durable record."},
	{"log_commits_total", []string{"kind"}, "Batches written: with records, or empty to carry a claim."},
	{"log_inline_commits_total", nil, "Commits that ran inside a loop's round."},
	{"log_syncs_total", nil, "Fsyncs of segments."},
	{"log_records_total", nil, "Records committed."},
	{"log_bytes_total", nil, "Bytes of batches committed."},
	{"log_segments_total", nil, "Segments made."},
	{"log_waiting_bytes", nil, "Bytes handed over and not committed."},
	{"log_sync_average_seconds", nil, "Moving average of the time of an fsync."},
	{"log_sync_seconds", nil, "Time of each commit's fsync."},
	{"log_batch_records", nil, "Records of each commit."},
	{"log_batch_bytes", nil, "Bytes of each commit."},
	{"http_connections", nil, "Open HTTP connections."},
	{"http_connections_total", nil, "HTTP connections there ever were."},
	{"http_connections_refused_total", nil, "Clients that were told that there are too many connections."},
	{"http_requests_total", nil, "Requests whose header arrived, or was refused."},
	{"http_requests_in_flight", nil, "Requests that are not answered yet."},
	{"http_responses_total", []string{"class"}, "Answers by the first digit of their status; gone: the client left before."},
	{"http_refused_total", nil, "Answers that came from the server and not from the program: malformed, too large, too slow, too many."},
	{"http_request_seconds", nil, "Time from a request's header to the last byte of its answer."},
	{"websocket_connections", nil, "Open connections of clients that are WebSockets."},
	{"websocket_connections_total", nil, "Connections of clients that became WebSockets."},
	{"websocket_client_faults_total", []string{"fault"}, "WebSockets closed through the client's fault: failed (it broke the protocol), slow (it did not take what it was sent), silent (it did not answer a Ping)."},
	{"websocket_messages_total", []string{"direction"}, "Messages of clients (in) and to clients (out)."},
	{"resp_connections", nil, "Open connections of clients of Redis."},
	{"resp_connections_total", nil, "Connections of clients of Redis there ever were."},
	{"resp_connections_refused_total", nil, "Clients of Redis that were told that there are too many connections."},
	{"resp_commands_total", nil, "Commands of any kind."},
	{"resp_calls_total", nil, "Commands that call an object."},
	{"resp_calls_in_flight", nil, "Calls that are not answered yet."},
	{"resp_errors_total", nil, "Answers that are errors."},
	{"resp_auth_failures_total", nil, "Wrong passwords."},
	{"resp_protocol_errors_total", nil, "Connections closed because what came is no RESP, or more than is taken."},
	{"resp_rooms", nil, "Memberships of rooms."},
	{"resp_rooms_total", nil, "Memberships of rooms there ever were."},
	{"resp_rooms_slow_total", nil, "Connections closed because they did not take the messages of their rooms."},
	{"resp_messages_total", []string{"direction"}, "Messages of members (in) and to members (out)."},
}

func newCollector(s *Server) *collector {
	c := &collector{s: s, descs: make(map[string]*prometheus.Desc)}
	c.info = prometheus.NewDesc("everloop_build_info", "1, with the versions as labels.", nil,
		prometheus.Labels{"version": s.opts.Version, "goversion": runtime.Version()})
	for _, f := range figures {
		c.descs[f.name] = prometheus.NewDesc("everloop_"+f.name, f.help, f.labels, nil)
	}
	return c
}

// Describe is part of prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.info
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	one := func(kind prometheus.ValueType, name string, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(c.descs[name], kind, v, labels...)
	}
	gauge := func(name string, v float64) { one(prometheus.GaugeValue, name, v) }
	counter := func(name string, v uint64, labels ...string) {
		one(prometheus.CounterValue, name, float64(v), labels...)
	}
	ch <- prometheus.MustNewConstMetric(c.info, prometheus.GaugeValue, 1)

	e := c.s.opts.Engine
	m := e.Metrics()
	counter("engine_events_total", uint64(m.Events))
	gauge("engine_live_objects", float64(m.Live))
	gauge("engine_objects", float64(m.Objects))
	counter("engine_gated_total", uint64(m.Gated))
	counter("engine_outgoing_total", uint64(m.Sent))
	gauge("engine_outgoing_in_flight", float64(m.Outgoing))
	gauge("engine_websockets", float64(m.WebSockets))
	gauge("engine_websockets_hibernating", float64(m.Hibernating))
	counter("engine_evictions_total", uint64(m.Evictions))
	counter("engine_failures_total", uint64(m.Failures))
	counter("engine_resets_total", uint64(m.Resets))
	gauge("alarms_pending", float64(m.Alarms))
	counter("alarms_fired_total", uint64(m.AlarmRuns))
	counter("alarms_retries_total", uint64(m.AlarmRetries))
	counter("alarms_given_up_total", uint64(m.AlarmsGiven))
	gauge("alarms_failed", float64(m.FailedAlarms))
	late := Histogram{Sum: uint64(m.AlarmDelayMS)}
	for i, n := range m.AlarmDelay {
		late.Buckets[i] = uint64(n)
		late.Count += uint64(n)
	}
	c.histogram(ch, "alarms_late_seconds", &late, 1e-3)
	gauge("engine_classes", float64(len(e.Classes())))
	gauge("engine_loops", float64(e.Pool().Len()))
	rec := e.Recovered()
	gauge("recovery_objects", float64(rec.Objects))
	gauge("recovery_seconds", rec.Took.Seconds())
	log := e.Log()
	gauge("log_failed", truth(log.Err() != nil))
	gauge("log_writable", truth(log.Writable() == nil))
	gauge("log_durable_number", float64(log.Durable()))

	snap, size := e.SnapshotStats(), log.Size()
	gauge("snapshot_running", truth(snap.Running))
	gauge("snapshot_written_bytes", float64(snap.Written))
	counter("snapshots_total", snap.Installed)
	counter("snapshots_failed_total", snap.Failed)
	gauge("snapshot_seconds", snap.Last.Took.Seconds())
	one(prometheus.CounterValue, "snapshots_seconds_total", snap.Took.Seconds())
	gauge("snapshot_bytes", float64(size.Snapshot))
	gauge("snapshot_objects", float64(snap.Objects))
	gauge("snapshot_timestamp_seconds", unix(size.SnapshotTime))
	gauge("snapshot_log_bytes", float64(size.Log))
	gauge("snapshot_kept_bytes", float64(size.Kept))
	gauge("snapshot_history_timestamp_seconds", unix(size.KeptSince))

	if c.s.opts.Log != nil {
		l := c.s.opts.Log()
		counter("log_commits_total", l.Commits, "records")
		counter("log_commits_total", l.Empty, "empty")
		counter("log_inline_commits_total", l.Inline)
		counter("log_syncs_total", l.Syncs)
		counter("log_records_total", l.Records)
		counter("log_bytes_total", l.Bytes)
		counter("log_segments_total", l.Segments)
		gauge("log_waiting_bytes", float64(l.Waiting))
		gauge("log_sync_average_seconds", l.SyncAverage.Seconds())
		c.histogram(ch, "log_sync_seconds", &l.SyncTime, 1e-6)
		c.histogram(ch, "log_batch_records", &l.BatchRecords, 1)
		c.histogram(ch, "log_batch_bytes", &l.BatchBytes, 1)
	}
	if c.s.opts.HTTP != nil {
		h := c.s.opts.HTTP()
		gauge("http_connections", float64(h.Conns))
		counter("http_connections_total", h.Opened)
		counter("http_connections_refused_total", h.ClientsRefused)
		counter("http_requests_total", h.Requests)
		gauge("http_requests_in_flight", float64(h.InFlight))
		for i, class := range []string{0: "gone", 1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"} {
			if class != "" {
				counter("http_responses_total", h.Status[i], class)
			}
		}
		counter("http_refused_total", h.Refused)
		buckets := make(map[float64]uint64, len(c.s.opts.HTTPLatencyBounds))
		var n uint64
		for i, bound := range c.s.opts.HTTPLatencyBounds {
			n += h.Latency[i]
			buckets[bound] = n
		}
		n += h.Latency[latencyBuckets-1]
		ch <- prometheus.MustNewConstHistogram(c.descs["http_request_seconds"], n, h.LatencySum, buckets)
		gauge("websocket_connections", float64(h.Sockets))
		counter("websocket_connections_total", h.SocketsOpened)
		counter("websocket_client_faults_total", h.SocketsFailed, "failed")
		counter("websocket_client_faults_total", h.SocketsSlow, "slow")
		counter("websocket_client_faults_total", h.SocketsSilent, "silent")
		counter("websocket_messages_total", h.MessagesIn, "in")
		counter("websocket_messages_total", h.MessagesOut, "out")
	}
	if c.s.opts.RESP != nil {
		c.resp(gauge, counter)
	}
}

// resp sends the figures of a server of RESP.
func (c *collector) resp(gauge func(string, float64), counter func(string, uint64, ...string)) {
	r := c.s.opts.RESP()
	gauge("resp_connections", float64(r.Conns))
	counter("resp_connections_total", r.Opened)
	counter("resp_connections_refused_total", r.ClientsRefused)
	counter("resp_commands_total", r.Commands)
	counter("resp_calls_total", r.Calls)
	gauge("resp_calls_in_flight", float64(r.InFlight))
	counter("resp_errors_total", r.Errors)
	counter("resp_auth_failures_total", r.AuthFailures)
	counter("resp_protocol_errors_total", r.ProtocolErrors)
	gauge("resp_rooms", float64(r.Rooms))
	counter("resp_rooms_total", r.RoomsJoined)
	counter("resp_rooms_slow_total", r.RoomsSlow)
	counter("resp_messages_total", r.MessagesIn, "in")
	counter("resp_messages_total", r.MessagesOut, "out")
}

// histogram sends one. unit is what its values are in, in the unit of the figure.
func (c *collector) histogram(ch chan<- prometheus.Metric, name string, h *Histogram, unit float64) {
	buckets := make(map[float64]uint64, len(h.Buckets))
	var n uint64
	for i, count := range h.Buckets[:len(h.Buckets)-1] {
		n += count
		buckets[float64(uint64(1)<<i-1)*unit] = n // Prometheus' bounds are inclusive
	}
	ch <- prometheus.MustNewConstHistogram(c.descs[name], h.Count, float64(h.Sum)*unit, buckets)
}

// unix is a moment in seconds since 1970, and 0 if there is none.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
