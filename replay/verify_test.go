package replay

import (
	"errors"
	"strings"
	"testing"

	"emurace/loader"
)

// TestVerify: a trace matches on the machine that it was made on and on a fresh
// one, again and again.
func TestVerify(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		f := findRace(t, "bookworm", arch)
		trace := f.record(t)
		for range 3 {
			for _, s := range []find{f, {Session: bootRace(t, system(t, "bookworm", arch), f.recipe)}} {
				v, err := Verify(s.Session, trace)
				must(t, err)
				if !v.Match || v.Difference != "" || v.Digest != trace.Digest || v.Outcome.Kind != trace.Outcome.Kind {
					t.Fatalf("%+v", v)
				}
			}
		}
	})
}

// TestVerifyDiffers changes a trace in one place after the other: it no longer
// matches, and what it says about that names the place.
func TestVerifyDiffers(t *testing.T) {
	f := findRace(t, "bookworm", loader.ARM64)
	ok := []string{"main", "worker"}
	for _, c := range []struct {
		name   string
		change func(*Trace)
		want   string
	}{
		{"preempted later", func(c *Trace) { c.Schedule[0] = "main 7" }, "the digest is sha256:"},
		{"other way round", func(c *Trace) { c.Schedule = []string{"worker", "main"} }, "it ended with ok, the trace with segv of main, read of 0x220 at "},
		{"without preemption", func(c *Trace) { c.Schedule = ok }, "it ended with ok, the trace with segv of main"},
		{"ends too early", func(c *Trace) { c.Schedule = c.Schedule[:2] }, "the schedule ends before the race is over"},
		{"slice too long", func(c *Trace) { c.Schedule[1] = "worker 99999" }, "slice 2 (worker 99999): ran 6387 instructions"},
		{"goes on behind the end", func(c *Trace) { c.Schedule = append(c.Schedule, "main 1", "worker") }, "slice 4 (main 1): ran 0 instructions"},
		{"digest", func(c *Trace) { c.Digest = "sha256:0" }, "the digest is " + f.record(t).Digest + ", the trace's sha256:0"},
		{"steps", func(c *Trace) { c.Steps++ }, "it took 6750 instructions, the trace 6751"},
		{"kind", func(c *Trace) { c.Outcome.Kind = "abort" }, "it ended with segv of main, read of 0x220 at "},
		{"thread", func(c *Trace) { c.Outcome.Thread = "worker" }, "the trace with segv of worker, read of 0x220 at "},
		{"address", func(c *Trace) { c.Outcome.Address = "0x221" }, "the trace with segv of main, read of 0x221 at "},
		{"access", func(c *Trace) { c.Outcome.Access = "write" }, "the trace with segv of main, write of 0x220 at "},
		{"pc", func(c *Trace) { c.Outcome.PC = "0x1" }, "the trace with segv of main, read of 0x220 at 0x1"},
		{"escape sequences", func(c *Trace) { c.Outcome.Thread = "a\x1b[31m\nb" }, `the trace with segv of a\x1b[31m\nb, read of 0x220 at `},
		{"detail", func(c *Trace) { c.Outcome.Detail = "full" }, "the trace with segv of main, read of 0x220 at 0x7ffff7e3dbe4 (full)"},
	} {
		trace := f.record(t)
		if !strings.HasPrefix(trace.Libc.BuildID, "6f268ff5") {
			c.want = "" // other builds count other instructions
		}
		c.change(trace)
		v, err := Verify(f.Session, trace)
		if err != nil || v.Match || v.Difference == "" || !strings.Contains(v.Difference, c.want) {
			t.Errorf("%s: %+v, %v\n  want %s", c.name, v, err, c.want)
		}
	}
}

func TestVerifyErrors(t *testing.T) {
	f := findRace(t, "bookworm", loader.ARM64)
	id := f.Libc()
	for _, c := range []struct {
		name   string
		change func(*Trace)
		is     error
		want   string
	}{
		{"no such thread", func(c *Trace) { c.Schedule[1] = "reader 3" }, ErrFormat,
			`not a readable trace: schedule: slice 2: "reader 3": no thread of this name, only main, worker, clock`},
		{"no number", func(c *Trace) { c.Schedule[0] = "main six" }, ErrFormat,
			`not a readable trace: schedule: slice 1: "main six": not a number of instructions`},
		{"huge number", func(c *Trace) { c.Schedule[0] = "main 99999999999999999999" }, ErrFormat,
			`not a readable trace: schedule: slice 1: "main 99999999999999999999": not a number of instructions`},
		{"other libc", func(c *Trace) { c.Libc.SHA256, c.Libc.Version, c.Libc.BuildID = "00", "2.17", "abc" }, ErrOtherLibc,
			"the libraries are not those of the trace: the trace has glibc 2.17, build-id abc; here is " + id.String() + ", build-id " + id.BuildID},
		{"other ld.so", func(c *Trace) { c.Modules[1].SHA256 = "00" }, ErrOtherLibc,
			"the libraries are not those of the trace: /lib/aarch64-linux-gnu/ld-linux-aarch64.so.1 is another file"},
		{"one more library", func(c *Trace) { c.Modules = append(c.Modules, File{Path: "/lib/libm.so.6", SHA256: "00"}) }, ErrOtherLibc,
			"the libraries are not those of the trace: /lib/libm.so.6 is not among those here"},
	} {
		trace := f.record(t)
		c.change(trace)
		v, err := Verify(f.Session, trace)
		if v != nil || !errors.Is(err, c.is) || err.Error() != c.want {
			t.Errorf("%s: %+v, %v\n  want %s", c.name, v, err, c.want)
		}
	}
}

// TestVerifyOtherLibc: each trace belongs to its own libc and to no other.
func TestVerifyOtherLibc(t *testing.T) {
	f := findRace(t, "bookworm", loader.AMD64)
	trace := f.record(t)
	for _, suite := range []string{"bullseye", "trixie"} {
		s := bootRace(t, system(t, suite, loader.AMD64), f.recipe)
		if v, err := Verify(s, trace); v != nil || !errors.Is(err, ErrOtherLibc) {
			t.Errorf("%s: %+v, %v", suite, v, err)
		}
	}
}
