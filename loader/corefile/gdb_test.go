package corefile_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"emurace/internal/testcores"
	"emurace/loader"
	"emurace/loader/corefile"
)

// gdb has a core alone opened, and what it answers to each command.
func gdb(t *testing.T, core string, commands ...string) []string {
	t.Helper()
	args := []string{"-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-solib-add off", "-iex", "set width 0", "-c", core}
	for i, c := range commands {
		args = append(args, "-ex", fmt.Sprintf("echo \\n<%d>\\n", i), "-ex", c)
	}
	cmd := exec.Command("gdb-multiarch", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("gdb %q: %v\n%s; run: make packages-test", args, err, out)
	}
	answers := make([]string, len(commands))
	for i := range commands {
		_, rest, ok := strings.Cut(string(out), fmt.Sprintf("\n<%d>\n", i))
		if !ok {
			t.Fatalf("no answer to %q: %s", commands[i], out)
		}
		answers[i], _, _ = strings.Cut(rest, fmt.Sprintf("\n<%d>\n", i+1))
	}
	return answers
}

var (
	titled   = regexp.MustCompile(`(?m)^Thread \d+ \(.*LWP (\d+)\)\)?:$`)
	register = regexp.MustCompile(`(?m)^(\w+) +(0x[0-9a-f]+) `)
	result   = regexp.MustCompile(`= (-?\w+)`)
	auxEntry = regexp.MustCompile(`(?m)^(\d+) +[A-Z?].*? (0x[0-9a-f]+|\d+)(?: ".*")?$`)
	mapping  = regexp.MustCompile(`(?m)^ +(0x[0-9a-f]+) +(0x[0-9a-f]+) +0x[0-9a-f]+ +(0x[0-9a-f]+) +(/.*)$`)
)

func number(t *testing.T, text string) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		n, err := strconv.ParseInt(text, 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		return uint64(n)
	}
	return v
}

// dialects are cores of every writer.
func dialects() map[string]func(t *testing.T) *testcores.Core {
	return map[string]func(t *testing.T) *testcores.Core{
		"kernel": func(t *testing.T) *testcores.Core { return testcores.Find("null-member").Native(t, testcores.Kernel) },
		"gcore": func(t *testing.T) *testcores.Core {
			return testcores.Find("stuck-condition").Native(t, testcores.GCore)
		},
		"qemu": func(t *testing.T) *testcores.Core { return testcores.Find("null-member").Qemu(t) },
		"emulated arm64": func(t *testing.T) *testcores.Core {
			return testcores.Find("null-member").Emulated(t, "bookworm", loader.ARM64)
		},
		"emulated amd64": func(t *testing.T) *testcores.Core {
			return testcores.Find("null-member").Emulated(t, "bookworm", loader.AMD64)
		},
	}
}

// TestAgainstGDB: threads and their registers, the signal, the auxiliary vector, the mapped files, and
// memory are what gdb reads.
func TestAgainstGDB(t *testing.T) {
	for name, make := range dialects() {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "kernel" && name != "qemu" {
				t.Skip("two of them will do")
			}
			t.Parallel()
			core := make(t)
			f, err := corefile.Open(core.Path, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }() // it is only read
			if f.Arch != core.Arch || f.Missing != 0 || len(f.Problems) > 0 {
				t.Errorf("%v, %d bytes are missing, problems %q", f.Arch, f.Missing, f.Problems)
			}
			words := places(f)
			commands := []string{"thread apply all info registers", "p $_siginfo.si_signo", "p $_siginfo.si_code", "p/x (unsigned long)$_siginfo._sifields._sigfault.si_addr",
				"info auxv", "info proc mappings", "p/x $fs_base"}
			for _, at := range words {
				commands = append(commands, fmt.Sprintf("x/gx %#x", at))
			}
			got := gdb(t, core.Path, commands...)
			checkThreads(t, f, got[0])
			if f.Signal.Full {
				for i, want := range []uint64{uint64(f.Signal.Number), uint64(f.Signal.Code), f.Signal.Addr} {
					if m := result.FindStringSubmatch(got[1+i]); i == 2 && f.Signal.Sent() {
						continue
					} else if m == nil || number(t, m[1]) != want {
						t.Errorf("%s: %q, want %#x", commands[1+i], got[1+i], want)
					}
				}
			}
			var auxv []loader.AuxEntry
			for _, m := range auxEntry.FindAllStringSubmatch(got[4], -1) {
				auxv = append(auxv, loader.AuxEntry{Type: number(t, m[1]), Value: number(t, m[2])})
			}
			if n := len(auxv); n == 0 || auxv[n-1].Type != loader.AT_NULL || !slices.Equal(auxv[:n-1], f.Auxv) {
				t.Errorf("auxv\n%v, gdb has\n%v", f.Auxv, auxv)
			}
			var files []corefile.Mapped
			for _, m := range mapping.FindAllStringSubmatch(got[5], -1) {
				files = append(files, corefile.Mapped{Lo: number(t, m[1]), Hi: number(t, m[2]), Offset: number(t, m[3]), Path: m[4]})
			}
			if !slices.Equal(files, f.Mapped) || f.Listed != (len(files) > 0) {
				t.Errorf("mapped files\n%v, gdb has\n%v", f.Mapped, files)
			}
			for i, at := range words {
				_, text, _ := strings.Cut(got[7+i], ":\t")
				if v, ok := f.Read64(at); !ok || v != number(t, strings.TrimSpace(text)) {
					t.Errorf("word at %#x: %#x %v, gdb has %q", at, v, ok, text)
				}
			}
		})
	}
}

// checkThreads compares threads with what gdb tells of all.
func checkThreads(t *testing.T, f *corefile.File, text string) {
	t.Helper()
	titles := titled.FindAllStringSubmatchIndex(text, -1)
	if len(titles) != len(f.Threads) {
		t.Errorf("%d threads, gdb has %d: %s", len(f.Threads), len(titles), text)
	}
	for i, at := range titles {
		end := len(text)
		if i+1 < len(titles) {
			end = titles[i+1][0]
		}
		tid := uint32(number(t, text[at[2]:at[3]]))
		k := slices.IndexFunc(f.Threads, func(th corefile.Thread) bool { return th.TID == tid })
		if k < 0 {
			t.Errorf("thread %d is missing", tid)
			continue
		}
		th, compared := f.Threads[k], 0
		for _, m := range register.FindAllStringSubmatch(text[at[1]:end], -1) {
			name := m[1]
			if name == "cpsr" {
				name = "pstate"
			}
			if v, ok := th.Registers[name]; ok {
				compared++
				if v != number(t, m[2]) {
					t.Errorf("thread %d: %s is %#x, gdb has %s", tid, name, v, m[2])
				}
			}
		}
		if want := map[loader.Arch]int{loader.ARM64: 34, loader.AMD64: 18}[f.Arch]; compared < want {
			t.Errorf("thread %d: %d registers were compared, want %d at least", tid, compared, want)
		}
		if v, ok := th.Registers["fs_base"]; ok && v != th.TP {
			t.Errorf("thread %d: thread pointer %#x", tid, th.TP)
		}
	}
}

// places are addresses of words of each mapping that is in the core: its first, its last, and those
// of the stacks.
func places(f *corefile.File) (list []uint64) {
	for _, r := range f.Ranges {
		if hi := r.Known(); hi >= r.Lo+8 {
			list = append(list, r.Lo, hi-8)
		}
	}
	list = list[:min(len(list), 60)]
	for _, th := range f.Threads {
		list = append(list, th.SP(), th.SP()+3)
	}
	return list
}
