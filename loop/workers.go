package loop

import (
	"context"
	"reflect"
	"unsafe"

	"github.com/panjf2000/gnet/v2/pkg/pool/goroutine"
)

// gnet's pool of goroutines, on which it enrols connections, is made when the program starts and has a clock of its own, which wakes the
// process twice a second for ever, so an idle process is not idle. Its workers note by that clock when they had work last. Once it stands
// still, those that rest are let go of at the pool's next look for them, every 10 s, whenever they rested: the pool works as before.
//
// The pool has no option for it, and what stops the clock is private. So it is taken through reflection; a version of the
// library that has none by that name keeps its clock.

// stopPoolClock stops it. Any goroutine may call it, and again.
func stopPoolClock() {
	v := reflect.ValueOf(goroutine.DefaultWorkerPool)
	for _, field := range []string{"poolCommon", "stopTicktock"} {
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return
		}
		if v = v.FieldByName(field); !v.IsValid() {
			return
		}
	}
	if v.Type() != reflect.TypeFor[context.CancelFunc]() || !v.CanAddr() || v.IsNil() {
		return
	}
	(*(*context.CancelFunc)(unsafe.Pointer(v.UnsafeAddr())))()
}
