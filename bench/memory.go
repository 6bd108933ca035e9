package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"everloop/bench/proc"
)

// memoryReport is what bench/memory prints.
type memoryReport struct {
	Objects                                        int
	Seconds                                        float64
	Before, HeapBefore, After, Peak, Heap, Trimmed int64
	Written                                        int64
	Parts                                          []hot
}

// each is what of a figure each object needs, beside what there is without objects.
func (m memoryReport) each(bytes int64) float64 { return float64(bytes-m.Before) / float64(m.Objects) }

// memoryRuns are the parts of the scenario, each a process of its own on what the one before has left: objects are written,
// recovered, given an alarm each, and recovered with it.
var memoryRuns = []string{"write", "recover", "alarms", "recover"}

// measureMemory writes many objects, recovers them, and gives each an alarm.
func (b *bench) measureMemory(ctx context.Context, r *results) error {
	data, err := b.dataDir()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(data) }()
	r.memoryAgain = memoryAgain(ctx)
	for _, what := range memoryRuns {
		m, err := b.memory(ctx, what, data)
		if err != nil {
			return err
		}
		r.memory = append(r.memory, m)
	}
	return nil
}

// memory runs bench/memory once.
func (b *bench) memory(ctx context.Context, what, data string) (m memoryReport, err error) {
	b.say("memory: %s %d objects", what, b.memoryObjects)
	p, err := proc.Start("memory", nil, filepath.Join(b.bin, "memory"), what, data, strconv.Itoa(b.memoryObjects))
	if err != nil {
		return m, err
	}
	if err := p.Wait(ctx); err != nil {
		return m, err
	}
	lines := strings.Split(strings.TrimSpace(p.Output()), "\n") // log lines, if any, come before the report
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &m); err != nil {
		return m, fmt.Errorf("memory %s printed %q: %w", what, p.Output(), err)
	}
	if m.Objects != b.memoryObjects || m.After == 0 {
		return m, fmt.Errorf("memory %s printed %q", what, p.Output())
	}
	return m, nil
}

// memoryAgain writes the objects once more, and finds out who has allocated what there is then.
func memoryAgain(ctx context.Context) func(*bench) error {
	return func(b *bench) error {
		data, err := b.dataDir()
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(data) }()
		m, err := b.memory(ctx, "profile", data)
		b.profile.Top, b.profile.Memory = m.Parts, true
		return err
	}
}
