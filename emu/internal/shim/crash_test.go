package shim

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"emurace/internal/crash"
	"emurace/loader"
)

// dies is how TestDies is to die, in a process of its own.
const dies = "EMURACE_TEST_DIES"

// TestDies runs a guest, and dies of it: by an access of translated code to memory that
// the host does not let it touch, or when another process likes.
func TestDies(t *testing.T) {
	how := os.Getenv(dies)
	if how == "" {
		t.Skip("it is the other half of TestCrash")
	}
	r, err := crash.Attach(os.NewFile(3, "record"))
	if err != nil {
		t.Fatal(err)
	}
	crash.Use(r)
	if how == "Go" { // the runtime's own business, from which it recovers
		newEngine(t, loader.ARM64, loops[loader.ARM64], 1, true)
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		var none *crash.Process
		t.Log(none.Arch)
		return
	}
	arch := loader.ARM64
	if how == "amd64" {
		arch = loader.AMD64
	}
	e := newEngine(t, arch, loops[arch], 2, true)
	e.Describe(crash.Process{Arch: arch.String(), Threads: []string{"main", "worker"}})
	run(t, e, 0, 6)
	if how != "sent" {
		zone := e.c.zones[1]
		at := uintptr(unsafe.Pointer(zone.host)) + dataAt - uintptr(zone.base)
		if _, _, errno := unix.Syscall(unix.SYS_MPROTECT, at, PageSize, unix.PROT_NONE); errno != 0 {
			t.Fatal(errno)
		}
	}
	_, err = e.Run(1, 1<<40)
	t.Fatalf("it has come back: %v", err)
}

// TestCrash: a process that a fatal signal ends inside the engine has told the thread and
// the guest's instruction before.
func TestCrash(t *testing.T) {
	for how, want := range map[string]unix.Signal{"arm64": unix.SIGSEGV, "amd64": unix.SIGSEGV, "sent": unix.SIGABRT, "killed": unix.SIGKILL, "Go": 0} {
		t.Run(how, func(t *testing.T) {
			r, f, err := crash.New()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { must(t, errors.Join(r.Close(), f.Close())) }()
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(exe, "-test.run=^TestDies$", "-test.timeout=60s")
			mode := how
			if how == "killed" {
				mode = "sent"
			}
			cmd.Env = append(os.Environ(), dies+"="+mode)
			cmd.ExtraFiles = []*os.File{f}
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			must(t, cmd.Start())
			if mode == "sent" {
				waitForRun(t, r)
				must(t, cmd.Process.Signal(want))
			}
			err = cmd.Wait()
			d := r.Death()
			if how == "Go" {
				if err != nil || d.Signal != 0 {
					t.Errorf("%v, %+v: %s", err, d, &out)
				}
				return
			}
			if how == "killed" {
				if d.Signal != 0 || d.Thread != "worker" || d.Arch != "arm64" {
					t.Errorf("%v, %+v", err, d)
				}
				return
			}
			if d.Signal != want || d.Thread != "worker" || cmd.ProcessState.ExitCode() != 128+int(want) {
				t.Fatalf("%v, %+v: %s", err, d, &out)
			}
			if d.PC < codeAt || d.PC >= codeAt+24 || how != "sent" && d.PC != codeAt {
				t.Errorf("the guest was at %#x, the load is at %#x", d.PC, codeAt)
			}
			if (d.Addr != 0) != (how != "sent") || d.HostPC == 0 {
				t.Errorf("%+v", d)
			}
		})
	}
}

// waitForRun waits until the other process is inside the engine with its second thread.
func waitForRun(t *testing.T, r *crash.Record) {
	t.Helper()
	for range 3000 {
		if r.Running(0) && r.Death().Thread == "worker" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not run")
}
