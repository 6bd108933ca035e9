package engine

// undoLog remembers what the running turn has overwritten, so that a turn which is aborted leaves no trace. It
// covers all objects that write in the turn (a pump of JavaScript may run several), and is emptied when the
// turn ends. Owned by its loop.
type undoLog struct {
	entries []undoEntry
	bytes   []byte      // keys and old values, end to end
	alarms  []undoAlarm // at most one an object
	pasts   []undoPasts
}

// undoPasts is what was staged for an object before the running turn.
type undoPasts struct {
	a   *actor
	was pasts
}

type undoEntry struct {
	a        *actor
	key      int // where the key begins in bytes; its value follows
	value    int
	end      int
	existed  bool
	opsBytes int // length of a.ops before the write
}

// save notes the state of key before a write to it.
func (u *undoLog) save(a *actor, key string) {
	old, existed := a.rec.store.Get(key)
	e := undoEntry{a: a, key: len(u.bytes), existed: existed, opsBytes: len(a.ops)}
	u.bytes = append(u.bytes, key...)
	e.value = len(u.bytes)
	u.bytes = append(u.bytes, old...)
	e.end = len(u.bytes)
	u.entries = append(u.entries, e)
}

// savePasts notes what is staged before the turn forgets it.
func (u *undoLog) savePasts(a *actor) {
	if was := a.own.pasts[a.slot]; was != nil {
		u.pasts = append(u.pasts, undoPasts{a, *was})
	}
}

func (u *undoLog) clear() {
	if cap(u.bytes) > 1<<20 {
		u.bytes = nil
	}
	if cap(u.entries) > 4096 {
		u.entries = nil
	}
	clear(u.entries)
	u.entries, u.bytes = u.entries[:0], u.bytes[:0]
	clear(u.alarms)
	u.alarms = u.alarms[:0]
	clear(u.pasts)
	u.pasts = u.pasts[:0]
}

// undoTurn takes back what the running turn has written to a.
func (o *owner) undoTurn(a *actor) {
	u := &o.undo
	for i := len(u.entries) - 1; i >= 0; i-- {
		e := &u.entries[i]
		if e.a != a {
			continue
		}
		key := string(u.bytes[e.key:e.value])
		if e.existed {
			a.rec.store.Put(key, u.bytes[e.value:e.end])
		} else {
			a.rec.store.Delete(key)
		}
		e.a = nil
	}
	for i := range u.alarms {
		if e := &u.alarms[i]; e.a == a {
			o.restoreAlarm(e)
			e.a = nil
		}
	}
	for i := len(u.pasts) - 1; i >= 0; i-- {
		if e := &u.pasts[i]; e.a == a {
			*o.pastsOf(a.slot) = e.was
			e.a = nil
		}
	}
	a.ops = a.ops[:0]
	a.confirmed = false
}
