package main

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"strings"
)

// Part is what of the resident memory a function has allocated and the program still reaches, in percent.
type Part struct {
	Share    float64
	Function string
}

// sampleEvery is how many bytes are allocated for one that is noted, when there is a profile.
const sampleEvery = 16 << 10

// parts says what resident memory consists of: what is reachable, by who has allocated it, and what the Go runtime has besides. It
// is for a program that has run with runtime.MemProfileRate set to sampleEvery from its start.
func parts(resident int64) []Part {
	runtime.GC() // the profile is that of the last collection
	n, _ := runtime.MemProfile(nil, false)
	records := make([]runtime.MemProfileRecord, n+100)
	n, ok := runtime.MemProfile(records, false)
	if !ok {
		return nil
	}
	by := map[string]float64{}
	reached := 0.0
	for _, r := range records[:n] {
		if r.InUseObjects() <= 0 {
			continue
		}
		// A small allocation is noted less often than a large one: with this it counts for those that were not.
		size := float64(r.InUseBytes()) / float64(r.InUseObjects())
		bytes := float64(r.InUseBytes()) / (1 - math.Exp(-size/sampleEvery))
		by[allocator(r.Stack())] += bytes
		reached += bytes
	}
	all := []Part{{max(0, float64(resident)-reached) / float64(resident) * 100, "not reachable: garbage that is not collected yet, and room that Go's runtime keeps"}}
	for function, bytes := range by {
		all = append(all, Part{bytes / float64(resident) * 100, function})
	}
	slices.SortFunc(all, func(a, b Part) int { return cmp.Compare(b.Share, a.Share) })
	return all[:min(len(all), 15)]
}

// allocator is the first function of a stack that is not the runtime's own; where there is none, the runtime has allocated for itself.
func allocator(stack []uintptr) string {
	for frames := runtime.CallersFrames(stack); ; {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") {
			return frame.Function
		}
		if !more {
			return "the runtime, for itself"
		}
	}
}
