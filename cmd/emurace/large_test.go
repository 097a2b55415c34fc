package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"emurace/internal/testcores"
)

// BenchmarkDiagnoseLarge is the whole program on a core of 4 GiB and 500 threads, and the most memory that it had.
func BenchmarkDiagnoseLarge(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	core := testcores.Large(b, testcores.DefaultLarge)
	b.Cleanup(testcores.Clean)
	most := int64(0)
	var used time.Duration
	for b.Loop() {
		cmd := exec.Command(exe, "diagnose", "--program", core.Program, core.Path)
		cmd.Args[0] = "emurace"
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		most = max(most, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
		used += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	b.ReportMetric(float64(most)/1024, "MiB")
	b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
}
