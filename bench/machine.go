package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"everloop/bench/proc"
)

// machine is where a result comes from.
type machine struct {
	date       time.Time
	commit     string
	cpu        string
	cores      int
	kernel     string
	memoryGB   float64
	fileSystem string
	sync       time.Duration // a small write and its fsync, the median of many; 0: it failed
	load       string
	nice       int // of this process, which the servers inherit; 0 is what everybody has
}

func describe(ctx context.Context, o options) machine {
	this := proc.ThisMachine()
	m := machine{
		date: time.Now(), commit: commit(ctx, o.root), cpu: this.CPU, cores: this.Cores, kernel: this.Kernel,
		memoryGB: float64(this.Memory) / (1 << 30), load: loadAverage(this),
	}
	if priority, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil {
		m.nice = 20 - priority // the system call returns no negative numbers
	}
	m.fileSystem = fileSystem(o.work)
	m.sync = probeSync(o.work)
	return m
}

// loadAverage is the machine's, as a result has it.
func loadAverage(m proc.Machine) string {
	if m.Load < 0 {
		return "unknown"
	}
	return strconv.FormatFloat(m.Load, 'f', 2, 64)
}

// commit names what is measured.
func commit(ctx context.Context, root string) string {
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = root
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	head, err := git("rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "unknown"
	}
	// Results of earlier runs change nothing that is measured.
	if changes, err := git("status", "--porcelain", "--", ".", ":!bench/results"); err != nil || changes != "" {
		head += "-modified"
	}
	return head
}

func fileSystem(dir string) string {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "unknown"
	}
	switch s.Type {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs: MEMORY, NOT A DISK, so an fsync costs nothing; name a disk with -work"
	}
	return fmt.Sprintf("type %#x", s.Type)
}

// probeSync measures how long the disk takes to make 512 bytes durable.
func probeSync(dir string) time.Duration {
	f, err := os.CreateTemp(dir, "probe")
	if err != nil {
		return 0
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer f.Close()
	block := make([]byte, 512)
	var took []time.Duration
	for range 101 {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0
		}
		if err := f.Sync(); err != nil {
			return 0
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}
