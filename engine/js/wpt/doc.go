// Package wpt measures everloop's Web APIs by the web platform tests, the suite that browsers and other runtimes share. It is a
// test and nothing else. It needs a checkout of https://github.com/web-platform-tests/wpt, named by WPT_DIR, and is skipped without one:
//
//	WPT_DIR=~/src/wpt engine/js/wpt/run                        # all of it
//	WPT_DIR=~/src/wpt engine/js/wpt/run -only url/ -show       # some of it, each failure with its message
//	WPT_DIR=~/src/wpt engine/js/wpt/run -rewrite               # write down what passes now, and read the diff
//
// testdata/areas.txt says which files belong to which area, and which of them do not apply, and why. testdata/expected.txt
// says how many subtests pass and names every one that fails, under the reason why it does. The test fails when a subtest
// fails that is not named there, when one that is named passes, and when a count differs.
//
// The counts are those of the suite as it was in February 2021. Where the standards have moved on since, a failure says so.
//
// Each file runs in an engine of its own, inside a request to a Worker, as a program does: see testdata/runner.js. The suite's own
// server is an object there, as far as the tests of fetch need one: see peer_test.go.
package wpt
