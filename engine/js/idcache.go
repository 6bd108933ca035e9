package js

import "everloop/engine"

// idCache keeps the IDs of names that were used lately: an ID from a name takes four rounds of SHA-256, on nearly every
// request. It has two halves. What is used goes into the young one; when that is full it becomes the old one, and what was
// old and not used since is forgotten. Owned by its loop.
type idCache struct {
	young, old map[idName]engine.ID
}

type idName struct{ class, name string }

// An idCache has at most twice so many names, and none that is longer: about 400 KB of IDs and names for a loop.
const (
	idCacheHalf    = 1024
	idCacheMaxName = 128
)

// get returns the ID of a name in a namespace.
func (c *idCache) get(ns *engine.Namespace, name string) engine.ID {
	if len(name) > idCacheMaxName {
		return ns.IDFromName(name)
	}
	k := idName{ns.Class(), name}
	if id, ok := c.young[k]; ok {
		return id
	}
	id, ok := c.old[k]
	if !ok {
		id = ns.IDFromName(name)
	}
	if c.young == nil || len(c.young) >= idCacheHalf {
		c.young, c.old = make(map[idName]engine.ID), c.young
	}
	c.young[k] = id
	return id
}
