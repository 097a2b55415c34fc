package diagnose

import (
	"flag"
	"testing"

	"emurace/internal/testcores"
)

// every has each cause on each of its suites and architectures; else it is some of them.
var every = flag.Bool("every", false, "all causes on all suites and architectures")

// TestCauses: the cause is named, and nothing that is said to be certain is false.
func TestCauses(t *testing.T) {
	for i := range testcores.Causes {
		c := &testcores.Causes[i]
		for k, suite := range c.Suites {
			for a, arch := range testcores.Arches {
				// Programs are the same on all of their libcs.
				one := (i+k)%2 == a && (!c.IsProgram() || k < 2)
				if testing.Short() && (k > 0 || i%3 != 1) {
					one = false
				}
				if !one && !*every {
					continue
				}
				t.Run(c.Name+"/"+suite+"/"+arch.String(), func(t *testing.T) {
					t.Parallel()
					core := c.Emulated(t, suite, arch)
					right(t, core, explain(t, core, all(core)), c.Truth)
				})
			}
		}
	}
}

// TestNative: the same of processes on this machine's kernel and libc, and under qemu.
func TestNative(t *testing.T) {
	if testing.Short() {
		t.Skip("one by gcore is among those of TestArticle")
	}
	for i, name := range []string{"freed-own-content", "freed-stale-global", "overrun", "stack-overflow", "wild-jump", "double-free", "deadlock-two", "uncaught-exception", "null-member"} {
		c := testcores.Find(name)
		for k, make := range map[testcores.Writer]func(t testing.TB) *testcores.Core{
			testcores.Kernel: func(t testing.TB) *testcores.Core { return c.Native(t, testcores.Kernel) },
			testcores.GCore:  func(t testing.TB) *testcores.Core { return c.Native(t, testcores.GCore) },
			testcores.Qemu:   func(t testing.TB) *testcores.Core { return c.Qemu(t) },
		} {
			if !*every && k != []testcores.Writer{testcores.Kernel, testcores.GCore, testcores.Qemu}[i%3] {
				continue
			}
			t.Run(name+"/"+string(k), func(t *testing.T) {
				t.Parallel()
				core := make(t)
				right(t, core, explain(t, core, all(core)), c.Truth)
			})
		}
	}
}

// right compares a diagnosis with the truth.
func right(t *testing.T, c *testcores.Core, d *Diagnosis, truth testcores.Truth) {
	t.Helper()
	for _, f := range d.Facts {
		if !f.Certain {
			continue
		}
		if why := lie(d, c, f, truth); why != "" {
			t.Errorf("certain, and false: %s: %s", f.Text, why)
		}
	}
	// An abort is told by what it was for.
	if f, ok := d.Has(Aborted); ok {
		t.Errorf("an abort and nothing more: %s", f.Text)
	}
	for _, text := range missing(d, c, truth) {
		t.Errorf("not told: %s", text)
	}
	if t.Failed() {
		t.Log(told(d))
	}
}
