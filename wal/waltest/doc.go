// Package waltest has what tests put in the place of a log or its disk: [MemLog], a log in memory that is driven
// by hand, crashes and fails on command, for simulations on virtual time; and [PowerDisk], a directory that
// loses power, tears, fills and fails on command, for the real log.
package waltest
