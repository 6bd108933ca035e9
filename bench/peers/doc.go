// Package peers finds, or installs, the programs that everloop is compared with, and the load tools that come with them.
//
// Each has a version that results depend on: workerd is a pinned npm package, installed into a folder of the benchmark's
// own; Redis and the load tools are those of the path, no older than what is asked for here. A [Peer] says what was found,
// and an error what is missing and which package brings it, so that a run can say so and go on without.
package peers
