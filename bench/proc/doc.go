// Package proc runs the programs of a benchmark and reads from /proc what they cost: processor time and memory.
//
// [Start] starts a program, [Process.Ready] waits until it answers, [Process.CPU] and [Process.Memory] read its figures,
// and [Process.Stop] ends it. Only processes that were started here are ever ended, and all of them end with the
// program that started them. Linux only.
package proc
