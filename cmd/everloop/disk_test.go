package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// loose are the writes of the program faults that nobody looks at.
var loose = []string{
	"loose-put", "loose-unconfirmed", "loose-put-many", "loose-delete", "loose-delete-many", "loose-delete-all", "loose-set-alarm", "loose-delete-alarm", "loose-kv",
	"loose-transaction", "loose-wait",
}

// wantNoneAcknowledged holds that none of them is answered as if it had been done, and that a program that looks may answer what it likes.
func (p *process) wantNoneAcknowledged() {
	p.t.Helper()
	for _, what := range loose {
		p.want("/loose/"+what, 503, "Service Unavailable")
	}
	p.logged("a write was refused and the program did not catch it; the object is reset", p.idOf("loose"))
	p.want("/loose/caught-put", 200, "not stored")
	p.want("/loose/read", 200, "0")
}

// smallDisk mounts a file system of so many MiB, where that can be done.
func smallDisk(t *testing.T, mib int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("everloop-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Skipf("a small file system cannot be mounted here (it takes root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill takes all but so many bytes of a file system, and returns how to give them back.
func fill(t *testing.T, dir string, but int64) (file string) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "taken")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// Taken in one step: the program must not see it coming.
	if err := unix.Fallocate(int(f.Fd()), 0, 0, max(1, int64(st.Bavail)*st.Bsize-but)); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDiskNearlyFull holds what happens at the reserve: writes are refused before they run, reads go on, and all is
// well again once there is room.
func TestDiskNearlyFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 80)
	data := filepath.Join(disk, "data")
	p := serve(t, faults, "--data", data)
	p.want("/a/count", 200, "1")
	for _, what := range loose {
		p.want("/well/"+what, 200, "undefined")
	}
	p.want("/well/caught-put", 200, "stored")

	file := fill(t, disk, 60<<20)
	p.logged(`"level":"WARN"`, "disk is nearly full: writes are refused, reads go on", data)
	for range 3 {
		p.want("/a/count", 503, "Service Unavailable")
		p.want("/a/read", 200, "1")
		p.want("/new/read", 200, "0")
	}
	resp, err := p.client.Get("http://everloop/a/count")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("retry-after") == "" {
		t.Errorf("%s, retry-after %q", resp.Status, resp.Header.Get("retry-after"))
	}
	p.logged(`"status":503`, `"class":"Subject"`, `"object":"`+p.idOf("a")+`"`, "the disk is nearly full")
	resp, err = p.client.Get("http://everloop/a/loose-put")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("retry-after") != "30" {
		t.Errorf("a put that nobody looks at: %s, retry-after %q", resp.Status, resp.Header.Get("retry-after"))
	}
	p.wantNoneAcknowledged()

	// A restart in this state reads, too.
	p.kill()
	p = serve(t, faults, "--data", data)
	p.want("/a/read", 200, "1")
	p.want("/a/count", 503, "Service Unavailable")

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p.logged("there is room on the disk again")
	p.want("/a/count", 200, "2")
	p.want("/new/count", 200, "1")
	p.stop()
}

// TestDiskFull holds what happens when the disk is full all the same, because somebody else was quicker than the look
// at the reserve: nothing is acknowledged that is not on disk.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 100)
	data := filepath.Join(disk, "data")
	p := serve(t, faults, "--data", data)
	acked := 0
	for range 3 {
		acked++
		p.want("/a/count", 200, fmt.Sprint(acked))
	}
	// The log looks at the disk ten times a second at most, so until the next look it knows nothing of this. If the
	// look comes first, make room and try again.
	var file string
	failed := false
	for !failed {
		refusals := strings.Count(p.log.String(), "disk is nearly full: writes are refused")
		file = fill(t, disk, 0)
		for status := 200; status == 200; {
			var body string
			if status, body = p.get("/a/count"); status == 200 {
				if acked++; body != fmt.Sprint(acked) {
					t.Fatalf("count %s, want %d", body, acked)
				}
			} else if status != 503 {
				t.Fatalf("%d %q", status, body)
			}
		}
		waitFor(t, "a word of the log", func() bool {
			text := p.log.String()
			failed = strings.Contains(text, "no space left on device")
			return failed || strings.Count(text, "disk is nearly full: writes are refused") > refusals
		})
		if !failed {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "room", func() bool {
				status, _ := p.get("/a/count")
				if status == 200 {
					acked++
				}
				return status == 200
			})
		}
	}
	p.logged(`"level":"ERROR"`, "no space left on device", "restart")
	// A count that is in memory and not on disk is seen by nobody. (Where the log came upon the full disk by itself, as
	// it noted that it was idle, there is none.) What does not depend on it can be read.
	if status, body := p.get("/a/read"); status != 503 && (status != 200 || body != fmt.Sprint(acked)) {
		t.Errorf("after the log has failed: %d %q, acknowledged were %d", status, body, acked)
	}
	p.want("/new/read", 200, "0")
	p.want("/new/count", 503, "Service Unavailable")
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != exitFailed {
		t.Errorf("exit code %d after a log that has failed, want %d", code, exitFailed)
	}

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p = serve(t, faults, "--data", data)
	status, body := p.get("/a/read")
	var count int
	if _, err := fmt.Sscan(body, &count); err != nil || status != 200 || count < acked {
		t.Errorf("after the restart: %d %q, acknowledged were %d", status, body, acked)
	}
	p.want("/a/count", 200, fmt.Sprint(count+1))
	p.stop()
}

// TestReadOnlyDisk holds what a start says where it may not write.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 100)
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skipf("a file system cannot be made read-only here: %v", err)
	}
	data := filepath.Join(disk, "data")
	code, log := refused(t, setup{}, counter, "--data", data)
	if code != exitFailed || !strings.Contains(log, data) || !strings.Contains(log, "read-only file system") || !strings.Contains(log, "Let the user that runs everloop write there") {
		t.Errorf("exit code %d\n%s", code, log)
	}
	if !strings.HasPrefix(log, "everloop: ") {
		t.Error(log)
	}
}

// realDisk mounts an ext4 of its own, where that can be done. It becomes read-only when shut is called, with everything open in
// it, as it does after an error of the disk; open mounts it anew.
func realDisk(t *testing.T) (dir string, shut, open func()) {
	t.Helper()
	for _, program := range []string{"mkfs.ext4", "losetup", "mount"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("a disk cannot be made here: %v", err) // no program of this repository's, and what it needs besides is root: see below
		}
	}
	image, dir := filepath.Join(t.TempDir(), "disk"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 256<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Skipf("a disk cannot be made here: %v: %s", err, out) // a kernel, or a container, that does not let us
	}
	device, err := exec.Command("losetup", "--find", "--show", image).Output()
	if err != nil {
		t.Skipf("a disk cannot be made here (it takes root): %v", err) // loop devices are root's
	}
	loopDevice := strings.TrimSpace(string(device))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", loopDevice).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	open = func() {
		if out, err := exec.Command("mount", "-o", "errors=remount-ro", loopDevice, dir).CombinedOutput(); err != nil {
			t.Skipf("a disk cannot be mounted here: %v: %s", err, out) // mounting is root's, and forbidden in most containers
		}
	}
	unmount := func() error { return unix.Unmount(dir, unix.MNT_DETACH) }
	trigger := filepath.Join("/sys/fs/ext4", filepath.Base(loopDevice), "trigger_fs_error")
	shut = func() {
		if err := os.WriteFile(trigger, []byte("test"), 0); err != nil {
			t.Skipf("a file system cannot be made to fail here: %v", err) // a kernel without ext4's switch for it
		}
	}
	open()
	t.Cleanup(func() {
		if err := unmount(); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	first := open
	open = func() {
		if err := unmount(); err != nil {
			t.Fatal(err)
		}
		first()
	}
	return dir, shut, open
}

// TestDiskBecomesReadOnly holds what happens when the file system is made read-only under the daemon.
func TestDiskBecomesReadOnly(t *testing.T) {
	t.Parallel()
	disk, shut, open := realDisk(t)
	data := filepath.Join(disk, "data")
	p := serve(t, faults, "--data", data)
	p.want("/a/count", 200, "1")
	p.want("/a/count", 200, "2")
	shut()
	p.want("/a/count", 503, "Service Unavailable")
	p.logged(`"level":"ERROR"`, "the log has failed", data, "restart")
	p.wantNoneAcknowledged()
	p.want("/new/read", 200, "0")
	p.want("/new/count", 503, "Service Unavailable")
	resp, err := http.Get("http://" + p.admin + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), "the log has failed") {
		t.Errorf("/healthz: %s %q, %v", resp.Status, text, err)
	}
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != exitFailed {
		t.Errorf("exit code %d after a log that has failed, want %d", code, exitFailed)
	}
	code, log := refused(t, setup{}, faults, "--data", data)
	if code != exitFailed || !strings.Contains(log, "read-only file system") {
		t.Errorf("a start on it: exit code %d\n%s", code, log)
	}

	open()
	p = serve(t, faults, "--data", data)
	status, body := p.get("/a/read")
	if status != 200 || body != "2" && body != "3" {
		t.Errorf("after the restart: %d %q, acknowledged were 2", status, body)
	}
	p.stop()
}
