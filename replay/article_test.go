package replay

import (
	"strings"
	"testing"

	"emurace/internal/words"
	"emurace/loader"
	"emurace/scenario"
	"emurace/symbolize"
)

// TestArticle: the crash of the article is found and explained on both
// architectures and on each glibc that frees old environ blocks. Everything here
// was in the run; nothing in the package knows it.
func TestArticle(t *testing.T) {
	for _, suite := range []string{"bullseye", "bookworm"} {
		for _, c := range []struct {
			arch     loader.Arch
			register map[string]string
			load     map[string]string
			fault    string
		}{
			{loader.ARM64,
				map[string]string{"bullseye": "x19", "bookworm": "x19"},
				map[string]string{"bullseye": "ldr x19, [x20, #8]!", "bookworm": "ldr x19, [x20, #8]!"}, "ldrh w"},
			{loader.AMD64,
				map[string]string{"bullseye": "r12", "bookworm": "rbx"},
				map[string]string{"bullseye": "mov r12, qword ptr [rbx+0x8]", "bookworm": "mov rbx, qword ptr [rbp+0x8]"}, "cmp "},
		} {
			t.Run(suite+"/"+c.arch.String(), func(t *testing.T) {
				f := findRace(t, suite, c.arch)
				x := explain(t, f.history(t))
				if x.Outcome.Kind != scenario.Segv || x.At.Thread != "main" || x.At.Location.Function != "getenv" || !strings.HasPrefix(x.At.Instruction, c.fault) {
					t.Errorf("%v at %+v", x.Outcome, x.At)
				}
				if x.Register != c.register[suite] || x.Value != 0x220 || x.Outcome.End.Addr != 0x220 {
					t.Errorf("%s = %#x, fault at %#x", x.Register, x.Value, x.Outcome.End.Addr)
				}
				if x.Load == nil || x.Load.Location.Function != "getenv" || x.Load.Instruction != c.load[suite] || x.Load.Call != `getenv("LANGUAGE")` {
					t.Errorf("loaded by %+v", x.Load)
				}
				w := x.Writer
				if w == nil || w.Thread != "worker" || x.Written != 0x220 || w.Location.Function != "_int_free" ||
					w.Call != `setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt", 1)` {
					t.Fatalf("%#x written by %+v", x.Written, w)
				}
				if got, want := functions(w.Backtrace), "_int_free _int_realloc realloc __add_to_environ"; got != want {
					t.Errorf("backtrace %s, want %s", got, want)
				}
				if source := w.Location.Source(); !strings.HasPrefix(source, "malloc.c:") {
					t.Errorf("source %q", source)
				}
				checkArticleFinding(t, x)
			})
		}
	}
}

func functions(frames []symbolize.Location) string {
	var names []string
	for _, f := range frames {
		// The linker knows some functions by several names.
		names = append(names, strings.TrimPrefix(strings.TrimPrefix(f.Function, "__GI_"), "__libc_"))
	}
	return strings.Join(names, " ")
}

// checkArticleFinding: the object for programs says the same as the explanation.
func checkArticleFinding(t *testing.T, x *Explanation) {
	t.Helper()
	f := x.Finding()
	if f.Kind != "segv" || f.Thread != "main" || f.Function != "getenv" || f.Register != x.Register || f.Value != "0x220" ||
		f.FaultAddress != "0x220" || f.Access != "read" || f.Instruction != x.At.Instruction || f.Switches != 2 {
		t.Errorf("%+v", f)
	}
	if f.Offset == nil || *f.Offset != x.At.Location.Offset || f.PC != words.Hex(x.At.Location.PC) || len(f.Backtrace) != len(x.At.Backtrace) {
		t.Errorf("place: %v %s", f.Offset, f.PC)
	}
	c := f.Cause
	if c == nil || c.Address != words.Hex(x.LoadAddr) || c.Written != "0x220" || c.LoadedBy.Function != "getenv" ||
		c.WrittenBy.Function != "_int_free" || c.WrittenBy.Thread != "worker" || len(c.WrittenBy.Backtrace) != 4 {
		t.Errorf("cause: %+v", c)
	}
	if len(f.Threads) != 2 || f.Threads[0].Status != "running" || f.Threads[1].Status != "done" || len(f.Threads[1].Backtrace) != 0 {
		t.Errorf("threads: %+v", f.Threads)
	}
	if len(f.Schedule) != 3 || f.Code != nil || f.Signal != 0 || f.Message != "" {
		t.Errorf("schedule %q, code %v, signal %d, message %q", f.Schedule, f.Code, f.Signal, f.Message)
	}
}

// TestCaches: with malloc's thread cache main stumbles over another word, and
// with the cache full over the article's again; who wrote it is told either way.
// (2.31 does not mangle the cache's links: there the first entry becomes NULL,
// and getenv just finds nothing.)
func TestCaches(t *testing.T) {
	for _, c := range []struct {
		suite, tcache string
		article       bool
		writers       string // functions that may have written the word
	}{
		{"bookworm", "on", false, "_int_free tcache_put"},
		{"bookworm", "full", true, "_int_free"},
		{"bullseye", "full", true, "_int_free"},
	} {
		for _, arch := range arches() {
			t.Run(c.suite+"/"+c.tcache+"/"+arch.String(), func(t *testing.T) {
				f := findRace(t, c.suite, arch, "tcache="+c.tcache)
				x := explain(t, f.history(t))
				if x.Outcome.Kind != scenario.Segv || x.At.Thread != "main" || x.At.Location.Function != "getenv" && !strings.Contains(x.At.Location.Function, "strncmp") {
					t.Fatalf("%v at %+v", x.Outcome, x.At)
				}
				if (x.Value == 0x220) != c.article {
					t.Errorf("%s = %#x", x.Register, x.Value)
				}
				if x.Load == nil || x.Load.Location.Function != "getenv" {
					t.Errorf("loaded by %+v", x.Load)
				}
				if x.Writer == nil || x.Writer.Thread != "worker" || !strings.Contains(c.writers, x.Writer.Location.Function) {
					t.Errorf("written by %+v", x.Writer)
				}
			})
		}
	}
}
