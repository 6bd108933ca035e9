// Package rings sets many alarms and measures how late they ring, and what others wait meanwhile.
//
// # The contract
//
// What is measured has two ways in, over whatever protocol: one sets the alarm of an object, which it names, to an instant in
// milliseconds since 1970, and is right when it answers that it has; the other answers a [Report] in JSON:
//
//	{"scheduled": 1795000000000, "ran": [1795000000012]}
//
// scheduled is when the alarm was meant to run and null before it has; ran has the instant of each time that it did, by the same clock, in milliseconds,
// of which there may be fractions. An object that has not rung answers with an empty ran.
//
// So lateness is told by the clock of the objects, and has nothing of the network in it. What is due, however, is set by the clock of this
// machine: on another one they must agree to less than the lead.
//
// # A run
//
// All alarms are set. Then others are asked at a rate, in an open loop, from about a second before the first alarm is due until
// a while after the last is; nobody asks the objects themselves meanwhile. At the end each is asked what has happened; one that has not rung is asked again
// until that is too late.
package rings
