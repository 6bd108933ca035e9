package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tickHz is the unit of times in /proc: USER_HZ, which is 100 on every architecture that Go runs on.
const tickHz = 100

// CPU returns the processor time that the process has used so far, in user and kernel mode, with all its threads, those
// that have ended too. It tells hundredths of a second.
func (p *Process) CPU() (time.Duration, error) {
	d, err := CPUOf(strconv.Itoa(p.PID()))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", p.name, err)
	}
	return d, nil
}

// CPUOf reads the processor time of a process by its number, or by "self", as Process.CPU does.
func CPUOf(pid string) (time.Duration, error) {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, fmt.Errorf("processor time of process %s: %w", pid, err)
	}
	ticks, err := parseStat(b)
	if err != nil {
		return 0, fmt.Errorf("processor time of process %s: %w", pid, err)
	}
	return time.Duration(ticks) * time.Second / tickHz, nil
}

// parseStat returns utime + stime, fields 14 and 15 of /proc/PID/stat. The second field is the program's name in
// parentheses, which may itself have spaces and parentheses.
func parseStat(b []byte) (ticks int64, err error) {
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return 0, fmt.Errorf("/proc/PID/stat has no name: %q", b)
	}
	fields := strings.Fields(string(b[end+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat has %d fields behind the name", len(fields))
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	kernel, kerr := strconv.ParseInt(fields[12], 10, 64)
	if err := errors.Join(err, kerr); err != nil {
		return 0, fmt.Errorf("/proc/PID/stat: %w", err)
	}
	return user + kernel, nil
}

// Memory is what a process has in memory, in bytes.
type Memory struct {
	Resident int64 // now
	Peak     int64 // the most there ever was
}

// Memory reads the memory of the process.
func (p *Process) Memory() (Memory, error) { return MemoryOf(strconv.Itoa(p.PID())) }

// MemoryOf reads the memory of a process by its number, or by "self".
func MemoryOf(pid string) (Memory, error) {
	b, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return Memory{}, fmt.Errorf("memory of process %s: %w", pid, err)
	}
	return parseStatus(b)
}

func parseStatus(b []byte) (m Memory, err error) {
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		var to *int64
		switch name {
		case "VmRSS":
			to = &m.Resident
		case "VmHWM":
			to = &m.Peak
		default:
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return m, fmt.Errorf("/proc/PID/status: %s: %w", name, err)
		}
		*to = kib << 10
	}
	if m.Resident == 0 || m.Peak == 0 {
		return m, errors.New("/proc/PID/status has no VmRSS or no VmHWM: the process has ended")
	}
	return m, nil
}

// WrittenBy reads how many bytes a process, by its number or "self", has caused to be sent to a disk so far, with the children that it
// has waited for: whole pages, as the kernel counts them when they become dirty. On a file system in memory that is none.
func WrittenBy(pid string) (int64, error) {
	b, err := os.ReadFile("/proc/" + pid + "/io")
	if err != nil {
		return 0, fmt.Errorf("bytes written by process %s: %w", pid, err)
	}
	return parseIO(b)
}

func parseIO(b []byte) (written int64, err error) {
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "write_bytes:"); ok {
			if written, err = strconv.ParseInt(strings.TrimSpace(value), 10, 64); err != nil {
				return 0, fmt.Errorf("/proc/PID/io: write_bytes: %w", err)
			}
			return written, nil
		}
	}
	return 0, errors.New("/proc/PID/io has no write_bytes")
}
