package engine

import (
	"testing"
	"unsafe"
)

// Each request has an Event. Go's allocator has blocks of 480 and of 512 bytes: one more word costs every request 32 bytes.
func TestEventFitsItsBlock(t *testing.T) {
	if size := unsafe.Sizeof(Event{}); size > 480 {
		t.Errorf("an Event has %d bytes, want at most 480", size)
	}
}
