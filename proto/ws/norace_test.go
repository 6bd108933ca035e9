//go:build !race

package ws

// raceEnabled reports whether the race detector runs, under which pools drop what they are given.
const raceEnabled = false
