package rings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Report is what an object says of its alarm. Instants are milliseconds since 1970.
type Report struct {
	Scheduled float64   `json:"scheduled"`
	Ran       []float64 `json:"ran"`
}

// ParseReport reads one.
func ParseReport(body []byte) (r Report, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if err = d.Decode(&r); err == nil && r.Ran == nil {
		err = fmt.Errorf(`no "ran"`)
	}
	if err != nil {
		return r, fmt.Errorf(`want {"scheduled": MILLISECONDS, "ran": [MILLISECONDS]}, not %.100q: %w`, body, err)
	}
	return r, nil
}

// Late is how long after it was scheduled the alarm has run first. The Report must have such a run.
func (r *Report) Late() time.Duration {
	return time.Duration(math.Round((r.Ran[0] - r.Scheduled) * float64(time.Millisecond)))
}
