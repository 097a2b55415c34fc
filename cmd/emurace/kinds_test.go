package main

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/internal/guestcode"
	"emurace/internal/thorough"
	"emurace/loader"
)

// A failure of each kind: who, what, where and why are named in the explanation, in the lesson and in the
// report of its trace alike.
var kindsOfFailure = []struct {
	name   string
	detect bool // it is found by --detect and its name
	says   []string
}{
	{"segv-read", false, []string{"main dies of SIGSEGV in strtok_r", "wants to read|nothing is mapped there", "0x10", `strtok_r(0, ",", 0x`, "worker", "segv-read.star:10", "the other way round the run passes|what had to come first"}},
	{"segv-write", false, []string{"main dies of SIGSEGV in __memset|main dies of SIGSEGV in memset", "memset(0x", ", 65, 8) at segv-write.star:7", "forbids to write", "worker", "mprotect(0x", ", 0x1000, 1)", "the other way round the run passes|what had to come first"}},
	{"segv-fetch", false, []string{"main dies of SIGSEGV at 0x5555", "forbids to execute", "bsearch(0x", "worker", "segv-fetch.star:10", "the other way round the run passes|what had to come first"}},
	{"segv-unmapped", false, []string{"main dies of SIGSEGV in", "nothing is mapped there", "strlen(0x", "at segv-unmapped.star:7", "worker", "munmap(0x", ", 0x1000)", "the other way round the run passes|what had to come first"}},
	{"abort", false, []string{"main aborts in __pthread_kill_implementation, with SIGABRT|main aborts in ", `__assert_fail("ready", "server.c", 42, "serve") at abort.star:7`, "server.c:42: serve: Assertion `ready' failed.", "main read 0x0 from 0x", "at abort.star:6", "Nothing has written there since the race began"}},
	{"check-memory", false, []string{"a check fails", "the number is 1 and not 2", "The check found 0x1 at 0x", "main had written 0x1|main writes 0x1", "check-memory.star:6", "the other way round the run passes|what had to come first"}},
	{"check-result", false, []string{"a check fails", "main has read 0 and not 7", "main read 0x0 from 0x", "at check-result.star:6", "Nothing has written there since the race began", "the other way round the run passes|what had to come first"}},
	{"check-sections", false, []string{"a check fails", "the number is 1 and not 2", "main had written 0x1|main writes 0x1", "check-sections.star:10", "the other way round the run passes|what had to come first"}},
	{"check-locked", false, []string{"a check fails", "main has found no flag", "main read 0x0 from 0x", "check-locked.star:7", "Nothing has written there since the race began", "the other way round the run passes|what had to come first"}},
	{"deadlock-mutex", false, []string{"main and worker each wait for a mutex that the other holds", "a mutex that worker holds", "a mutex that main holds", "pthread_mutex_lock(0x", "the other way round the run passes|what had to come first"}},
	{"deadlock-condition", false, []string{"main waits, and nobody is left to wake it", "condition variable", "worker signalled it at instruction", "pthread_cond_signal(0x", "nobody waited, and a signal is for those who wait already", "the other way round the run passes|what had to come first"}},
	{"deadlock-semaphore", false, []string{"main waits, and nobody is left to wake it", "semaphore", "worker posted it at instruction", "third took it at instruction", "sem_trywait(0x", "the other way round the run passes|what had to come first"}},
	{"deadlock-barrier", false, []string{"main waits, and nobody is left to wake it", "of a barrier for 2, to which 1 has come: nobody is left to come to it", "the other way round the run passes|what had to come first"}},
	{"deadlock-rwlock", false, []string{"a read-write lock that main holds", "pthread_rwlock_wrlock(0x", "of a semaphore: nobody is left to post it"}},
	{"deadlock-once", false, []string{"of a once whose routine main runs", "a signal, and nothing else"}},
	{"deadlock-join", false, []string{"main waits for the end of worker", "a mutex that main holds", "pthread_mutex_lock(0x", "the other way round the run passes|what had to come first"}},
	{"livelock", false, []string{"go round for ever: a livelock", "main goes round in", "In each round main read 0x0 from 0x", "livelock.star:6", "worker had written 0x0|worker writes 0x0", "livelock.star:11"}},
	{"check-output", false, []string{"a check fails", "standard output is not as expected", `main.1 printed "second\n" to standard output at instruction`, `main printed "first\n" to standard output`, "write(1, ", "the other way round the run passes|what had to come first"}},
	{"use-after-free", true, []string{"a use after free|use-after-free: main", "main reads 0x", "strlen(0x", "freed by worker", "free(0x"}},
	{"double-free", true, []string{"main aborts", "double free or corruption", "main frees 0x", "free(0x", "at double-free.star:7", "freed by worker"}},
	{"data-race", true, []string{"nothing orders", "main writes", "worker writes", "at data-race.star:6", "at data-race.star:9"}},
}

// TestKindsOfFailure compares the whole text of each with a golden file, on both architectures.
func TestKindsOfFailure(t *testing.T) {
	atHome(t)
	for i, c := range kindsOfFailure {
		for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
			if testing.Short() && arch != loader.ARM64 {
				continue
			}
			t.Run(c.name+"/"+arch.String(), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				trace := filepath.Join(dir, "trace")
				args := []string{"script", filepath.Join("..", "..", "testdata", "kinds", c.name+".star")}
				program := ""
				if c.name == "check-output" {
					args, program = kindProgram(t, c.name, arch, dir)
				}
				args = append(args[:1:1], append([]string{
					"--arch", arch.String(), "--sysroot", "debian:bookworm", "--color", "never", "--seed", "1", "--jobs", "1", "--output", trace,
				}, args[1:]...)...)
				if c.detect {
					args = append(args[:1:1], append([]string{"--detect", c.name}, args[1:]...)...)
				}
				text := printed(t, exitFound, args...)
				build := regexp.MustCompile(`build-id [0-9a-f]+`).FindString(text)
				kindGolden(t, c.name+"-"+arch.String()+".txt", build+program, lasting(text))
				if c.says == nil || !thorough.Turn(i, arch) {
					return
				}
				lesson := printed(t, 0, "step", "--lesson", "--color", "never", trace)
				page := filepath.Join(dir, "page.html")
				printed(t, 0, "report", "--output", page, trace)
				b, err := os.ReadFile(page)
				if err != nil {
					t.Fatal(err)
				}
				told := html.UnescapeString(regexp.MustCompile(`(?s)<script.*?</script>|<[^>]*>`).ReplaceAllString(string(b), " "))
				for what, text := range map[string]string{"explanation": text, "lesson": lesson, "page": told} {
					flat := strings.ToLower(strings.Join(strings.Fields(text), " "))
					for _, says := range c.says {
						found := false
						for _, way := range strings.Split(says, "|") {
							found = found || strings.Contains(strings.ReplaceAll(flat, "- ", "-"), strings.ToLower(way)) || strings.Contains(flat, strings.ToLower(way))
						}
						if !found {
							t.Errorf("the %s does not say %q:\n%s", what, says, text)
						}
					}
				}
			})
		}
	}
}

// kindProgram compiles the program of a kind. The rest of the command line, and what its golden file
// hangs on beside the libc.
func kindProgram(t *testing.T, name string, arch loader.Arch, dir string) (args []string, of string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "..", "testdata", "kinds", name+".c"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := guestcode.Compile(arch, name+".c", string(source), "-O1", "-pthread")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, b, 0o755); err != nil {
		t.Fatal(err)
	}
	image, err := elf.NewFile(bytes.NewReader(b)) // the file has the names of temporary ones in it
	if err != nil {
		t.Fatal(err)
	}
	code, err := image.Section(".text").Data()
	if err != nil {
		t.Fatal(err)
	}
	return []string{"explore", "--expect", "exit=0", "--expect", `stdout=^first\nsecond\n$`, "--", file}, fmt.Sprintf(", program %.8x", sha256.Sum256(code))
}

// printed is what a command prints.
func printed(t *testing.T, want int, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := doMain(t.Context(), append([]string{"emurace"}, args...), &stdout, &stderr); code != want {
		t.Fatalf("%s\nexit code %d\n%s%s", strings.Join(args, " "), code, &stdout, &stderr)
	}
	return stdout.String()
}

var (
	seconds  = regexp.MustCompile(`, \d+\.\d s: `)
	trailing = regexp.MustCompile(`(?m)^(trace|next| {10}emurace) .*\n`)
)

// lasting is a result without what is another one each time.
func lasting(text string) string {
	return trailing.ReplaceAllString(seconds.ReplaceAllString(text, ": "), "")
}

// kindGolden compares a text with a golden file of the same libc and program; of others, only which kinds of lines
// there are.
func kindGolden(t *testing.T, name, of, got string) {
	t.Helper()
	file := filepath.Join("..", "..", "testdata", "golden", "kinds", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(of+"\n"+got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, want, _ := strings.Cut(string(b), "\n")
	if first != of {
		t.Logf("%s is of another build (%s): only the headings are compared", file, first)
		heads := regexp.MustCompile(`(?m)^(why|what had to come first|problem|[A-Z]+)\b`)
		got, want = strings.Join(heads.FindAllString(got, -1), "\n"), strings.Join(heads.FindAllString(want, -1), "\n")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s\nIf the new text is right: go test ./cmd/emurace -run %s -update", file, d, t.Name())
	}
}
