package report

import "time"

// Version is the format's. A file of another version is refused; fields that a reader does not know are ignored.
const Version = 1

// Result is what one run found. All durations are nanoseconds in JSON, all times are UTC.
type Result struct {
	Tool     string    `json:"tool"`     // what made it, and its version: "everloop 0.9.0 (commit)"
	Started  time.Time `json:"started"`  // when measuring began, warm-up excluded
	Command  string    `json:"command"`  // as a shell would take it
	Scenario string    `json:"scenario"` // "http", "ws-echo", "resp" and so on
	Target   string    `json:"target"`   // a URL or address; shown, never parsed. Credentials are not part of it
	Label    string    `json:"label,omitempty"`
	Unit     string    `json:"unit"` // what is counted, in the plural: "requests", "messages", "alarms", "calls"

	Machine Machine `json:"machine"`
	Config  Config  `json:"config"`
	Totals  Totals  `json:"totals"`

	Latency *Histogram `json:"latency"`           // of successes, from the intended start in an open loop and from the actual one in a closed loop. What is Unsent is in it, too, with the time that it had waited at the end
	Service *Histogram `json:"service,omitempty"` // open loop only: the same from the actual start. nil otherwise
	Kinds   []Kind     `json:"kinds,omitempty"`   // parts of the load, such as reads and writes, if there is more than one
	Series  []Sample   `json:"series"`            // a sample a second of the measured time, in order; the last one may be shorter
	Errors  []Failure  `json:"errors,omitempty"`  // by kind, most frequent first
	Figures []Figure   `json:"figures,omitempty"` // what only this scenario measures
	Notes   []string   `json:"notes,omitempty"`   // what a reader must know, in the generator's words. [Result.Warnings] adds its own

	Ended Ended `json:"ended"` // why the run was over
}

// Ended says why a run was over.
type Ended string

// The ways a run ends.
const (
	EndedTime        Ended = "time"        // its duration had passed
	EndedCount       Ended = "count"       // as many operations as asked for were done
	EndedInterrupted Ended = "interrupted" // the person stopped it
	EndedFailed      Ended = "failed"      // the target could not be used any more
)

// Machine is where the load came from, and often the server too. Zero values were not found out.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"` // that the process may use
	Memory int64  `json:"memory"`
	OS     string `json:"os"` // with the kernel's version
	Arch   string `json:"arch"`
	Go     string `json:"go"`

	// Load is the load average over the minute before the run, or -1.
	Load float64 `json:"load"`
}

// Config is how the load was made. What two results differ in here is named before they are compared.
type Config struct {
	Open        bool          `json:"open"`               // open loop: operations start when they are due, however long earlier ones take
	Rate        float64       `json:"rate,omitempty"`     // open loop: operations a second, at the start if it is ramped
	RateEnd     float64       `json:"rate_end,omitempty"` // of a ramp; 0 is none
	Arrivals    string        `json:"arrivals,omitempty"` // "uniform", "poisson", or [AtOnce], which has no rate
	Connections int           `json:"connections"`
	Pipeline    int           `json:"pipeline"` // operations under way on a connection, at most
	Warmup      time.Duration `json:"warmup"`
	Duration    time.Duration `json:"duration"`        // as asked for; 0 if a count was
	Count       int64         `json:"count,omitempty"` // as asked for; 0 if a duration was
	Keys        string        `json:"keys,omitempty"`  // "uniform 100000", "zipf 0.99 of 100000", "one hot"
	Values      string        `json:"values,omitempty"`
	Mix         string        `json:"mix,omitempty"` // "90 % reads"
	Seed        uint64        `json:"seed"`

	// Other has what only this scenario can be told, in an order that does not change.
	Other []Setting `json:"other,omitempty"`
}

// AtOnce are arrivals that are all due at the same instant.
const AtOnce = "at once"

// Setting is a name and a value as a person would read them.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Totals is the whole of the measured time, warm-up excluded.
type Totals struct {
	Elapsed  time.Duration `json:"elapsed"`
	Intended int64         `json:"intended,omitempty"` // open loop: operations that were due
	Unsent   int64         `json:"unsent,omitempty"`   // open loop: of these, never started before the end, or given up as too many were owed
	Requests int64         `json:"requests"`           // that succeeded. Latency holds these and Unsent
	Errors   int64         `json:"errors"`             // that did not

	Sent     int64 `json:"sent"`     // bytes, as they went through the socket
	Received int64 `json:"received"` // bytes

	// GeneratorCPU is processor time of the process that makes the load, user and kernel. GeneratorBehind is how late it was at worst in starting what was due,
	// for its own reasons (not as a bound on operations under way was reached).
	GeneratorCPU    time.Duration `json:"generator_cpu"`
	GeneratorBehind time.Duration `json:"generator_behind,omitempty"`
	GeneratorCores  float64       `json:"generator_cores,omitempty"` // how many it could have used: GOMAXPROCS, or the threads that do the work; 0 is unknown

	ServerCPU      time.Duration `json:"server_cpu,omitempty"`      // of the server's process, if it was named
	ServerResident int64         `json:"server_resident,omitempty"` // bytes at the end, if it was named
}

// Rate is successes a second of the measured time.
func (t Totals) Rate() float64 {
	if t.Elapsed <= 0 {
		return 0
	}
	return float64(t.Requests) / t.Elapsed.Seconds()
}

// Kind is a part of the load.
type Kind struct {
	Name     string     `json:"name"` // "read", "write", a command
	Requests int64      `json:"requests"`
	Errors   int64      `json:"errors"`
	Latency  *Histogram `json:"latency"`
}

// Quantiles are three points of the latencies of successes; zero if there were none.
type Quantiles struct {
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`
	Max time.Duration `json:"max"`
}

// Sample is a second.
type Sample struct {
	At       time.Duration `json:"at"`                 // its end, since measuring began
	Span     time.Duration `json:"span"`               // how long it was: about a second
	Intended int64         `json:"intended,omitempty"` // open loop: operations that were due in it
	Requests int64         `json:"requests"`           // successes whose answer came in it
	Errors   int64         `json:"errors"`
	InFlight int           `json:"in_flight"` // at its end
	Latency  Quantiles     `json:"latency"`
	Service  *Quantiles    `json:"service,omitempty"` // open loop only
}

// Rate is its successes a second.
func (s Sample) Rate() float64 { return perSecond(s.Requests, s.Span) }

func perSecond(n int64, span time.Duration) float64 {
	if span <= 0 {
		return 0
	}
	return float64(n) / span.Seconds()
}

// Failure is one kind of error.
type Failure struct {
	Kind    string        `json:"kind"` // short, without what varies: "status 503", "connection reset", "wrong answer"
	Count   int64         `json:"count"`
	Example string        `json:"example"` // the first one's text, cut to [MaxExample] bytes by whoever records it
	First   time.Duration `json:"first"`   // when, since measuring began
}

// MaxExample is how long an example of an error may be, in bytes.
const MaxExample = 500

// Figure is something that only this scenario measures: memory of an idle connection, the size of a room.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  Unit    `json:"unit"`

	// Better says which way is better, for a comparison: 1 more, -1 less, 0 neither.
	Better int `json:"better,omitempty"`
}

// Unit says how a figure is written.
type Unit string

// The units of figures. Others are written behind the number as they are.
const (
	UnitNone     Unit = ""
	UnitCount    Unit = "count"    // a whole number
	UnitBytes    Unit = "bytes"    // written as kB, MB, ...
	UnitDuration Unit = "duration" // nanoseconds
	UnitRate     Unit = "rate"     // a second
	UnitShare    Unit = "share"    // of 1, written in percent
)
