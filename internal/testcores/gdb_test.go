package testcores

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"emurace/loader"
)

// gdb opens a core and returns what each command prints. It is the oracle of these tests: it reads
// a core by means of its own.
func gdb(t *testing.T, c *Core, commands ...string) map[string]string {
	t.Helper()
	path, err := exec.LookPath("gdb-multiarch")
	if err != nil {
		t.Fatalf("%v; run: make packages-test", err)
	}
	debug := filepath.Join(c.Sysroot, "usr/lib/debug")
	args := []string{"-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set sysroot " + c.Sysroot, "-iex", "set debug-file-directory " + debug, c.Program, c.Path}
	for i, command := range commands {
		args = append(args, "-ex", fmt.Sprintf("echo \\n<%d>\\n", i), "-ex", command)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gdb %q: %v\n%s", args, err, out)
	}
	answers := map[string]string{}
	answers[""], _, _ = strings.Cut(string(out), "\n<0>\n")
	for i, command := range commands {
		_, rest, ok := strings.Cut(string(out), fmt.Sprintf("\n<%d>\n", i))
		if !ok {
			t.Fatalf("no answer to %q in %s", command, out)
		}
		answers[command], _, _ = strings.Cut(rest, fmt.Sprintf("\n<%d>\n", i+1))
	}
	return answers
}

var (
	frame  = regexp.MustCompile(`(?m)^#\d+ +(?:0x[0-9a-f]+ in )?([^ ]+(?: const)?) \(`)
	title  = regexp.MustCompile(`(?m)^Thread \d+ \(.*\):$`)
	number = regexp.MustCompile(`= (0x[0-9a-f]+)`)
)

// functions are the names of a backtrace's frames, innermost first, as a truth has them.
func functions(text string) (list []string) {
	for _, m := range frame.FindAllStringSubmatch(text, -1) {
		list = append(list, plain(m[1]))
	}
	return list
}

// plain is a function's name without what glibc adds to its own copies of it.
func plain(name string) string {
	if name == "??" {
		return ""
	}
	name, _, _ = strings.Cut(name, "@")
	for _, p := range []string{"__GI_", "___", "__"} {
		if rest, ok := strings.CutPrefix(name, p); ok && !strings.HasPrefix(rest, "cxa_") {
			name = rest
		}
	}
	// Of strlen there is one for each set of instructions.
	if strings.HasPrefix(name, "strlen_") {
		name = "strlen"
	}
	return name
}

// within tells whether the wanted functions are in a list in their order. One in no function, as main_arena,
// which gdb may name, is whatever is innermost.
func within(list, want []string) bool {
	for i, w := range want {
		if w == "" && i == 0 && len(list) > 0 {
			list = list[1:]
			continue
		}
		at := slices.Index(list, w)
		if at < 0 {
			return false
		}
		list = list[at+1:]
	}
	return true
}

// checkGDB: gdb sees the signal that the cause's process has died of, and the stack of the thread.
func checkGDB(t *testing.T, c *Core, truth Truth) {
	t.Helper()
	got := gdb(t, c, "bt", "thread apply all bt")
	signal := map[int]string{sigsegv: "SIGSEGV", sigabrt: "SIGABRT"}[truth.Signal]
	if died := strings.Contains(got[""], "terminated with signal"); signal != "" && !strings.Contains(got[""], "terminated with signal "+signal+",") ||
		signal == "" && died && !strings.Contains(got[""], "SIGQUIT") {
		t.Errorf("signal %q: %s", signal, got[""])
	}
	stacks := []string{got["bt"]}
	if truth.Signal == 0 {
		stacks = title.Split(got["thread apply all bt"], -1)[1:]
	}
	found := map[string]bool{}
	for _, stack := range stacks {
		list := functions(stack)
		if truth.Stack[0] == "" && len(list) == 1 && strings.Contains(stack, "Backtrace stopped") {
			found[truth.Thread] = true // from what is no code, gdb does not always find the way back
		}
		if within(list, truth.Stack) && (slices.Contains(list, truth.Thread) || !strings.Contains(stack, "start_thread")) {
			found[truth.Thread] = true
		}
		for _, name := range truth.Cycle {
			if within(list, []string{"pthread_mutex_lock", "transfer", name}) {
				found[name] = true
			}
		}
	}
	for _, name := range append([]string{truth.Thread}, truth.Cycle...) {
		if !found[name] {
			t.Errorf("no stack of %s, %q:\n%s", name, truth.Stack, strings.Join(stacks, "\n"))
		}
	}
}

// TestEmulatedInGDB: the emulator's cores.
func TestEmulatedInGDB(t *testing.T) {
	for i, c := range Causes {
		for _, arch := range Arches {
			if testing.Short() && (i%8 != 0 || arch != loader.ARM64) || arch == loader.AMD64 && i%4 != 0 || arch == loader.ARM64 && i%2 != 0 {
				continue
			}
			suite := c.Suites[0]
			t.Run(c.Name+"/"+arch.String(), func(t *testing.T) {
				t.Parallel()
				checkGDB(t, c.Emulated(t, suite, arch), c.Truth)
			})
		}
	}
}

// TestNativeInGDB: those of the kernel, and a live one of gcore's.
func TestNativeInGDB(t *testing.T) {
	for i, c := range Causes {
		if !c.IsProgram() {
			continue
		}
		for _, w := range []Writer{Kernel, GCore} {
			short := c.Name == "wild-jump" && w == Kernel
			if w == GCore && c.Name != "stuck-condition" || testing.Short() && !short || w == Kernel && i%3 != 0 && !short {
				continue
			}
			t.Run(c.Name+"/"+string(w), func(t *testing.T) {
				t.Parallel()
				checkGDB(t, c.Native(t, w), c.Truth)
			})
		}
	}
}

// walks are the registers that getenv has an entry in, and walks the list with, in Debian's 2.36.
var walks = map[loader.Arch][2]string{loader.ARM64: {"x19", "x20"}, loader.AMD64: {"rbx", "rbp"}}

// TestArticleInGDB: in every dialect main has died of 0x220, which the word behind the last entry of the old
// block holds, under __dcigettext; the worker is elsewhere; environ has two more.
func TestArticleInGDB(t *testing.T) {
	for _, o := range []ArticleOptions{
		{Writer: Kernel}, {Writer: Qemu}, {Writer: Kernel, Full: true}, {Writer: GCore}, {Writer: Qemu, Full: true},
		{Arch: loader.ARM64}, {Arch: loader.AMD64, Full: true},
	} {
		t.Run(fmt.Sprintf("%s-%v-%v", o.Writer, o.Arch, o.Full), func(t *testing.T) {
			if testing.Short() && (o.Full || o.Writer != Kernel && o.Writer != Qemu) {
				t.Skip("two of them will do")
			}
			t.Parallel()
			c := Article(t, o)
			entry, list := walks[c.Arch][0], walks[c.Arch][1]
			commands := []string{"bt", "thread apply all bt", "p/x $" + entry, fmt.Sprintf("x/gx $%s", list), fmt.Sprintf("x/gx $%s+8", list)}
			if o.Writer == Qemu {
				commands = append(symbolFiles(t, c), commands...)
			}
			for i := range 4 {
				commands = append(commands, fmt.Sprintf("x/s ((char**)environ)[%d]", ArticleEntries-2+i))
			}
			got := gdb(t, c, append(commands, "p ((long*)environ)[68]")...)
			if m := number.FindStringSubmatch(got["p/x $"+entry]); m == nil || m[1] != fmt.Sprintf("%#x", ArticleValue) {
				t.Errorf("%s: %s", entry, got["p/x $"+entry])
			}
			if words := got[fmt.Sprintf("x/gx $%s", list)] + got[fmt.Sprintf("x/gx $%s+8", list)]; !strings.Contains(words, "0x0000000000000220") {
				t.Errorf("the list: %s", words)
			}
			if list := functions(got["bt"]); !within(list, []string{"getenv", "dcigettext", "strerror_l", "strerror", "main"}) {
				t.Errorf("main: %q\n%s", list, got["bt"])
			}
			if !within(functions(got["thread apply all bt"]), []string{"read", "await", "elsewhere", "elsewhere", "worker"}) && !strings.Contains(got["thread apply all bt"], "in elsewhere (") {
				t.Errorf("the worker: %s", got["thread apply all bt"])
			}
			for i, want := range append([]string{"ARTICLE_ONE=1", "ARTICLE_TWO=2"}, ArticleAdded()...) {
				if text := got[fmt.Sprintf("x/s ((char**)environ)[%d]", ArticleEntries-2+i)]; !strings.Contains(text, `"`+want+`"`) {
					t.Errorf("entry %d: %s", ArticleEntries-2+i, text)
				}
			}
			if end := got["p ((long*)environ)[68]"]; !strings.Contains(end, "= 0") {
				t.Errorf("behind the last: %s", end)
			}
		})
	}
}

// symbolFiles are gdb's commands to load the program and libc, which qemu's cores do not name: of
// libc, where the mapping of code begins that the first thread stands in.
func symbolFiles(t *testing.T, c *Core) []string {
	t.Helper()
	loads, err := Loads(c.Bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	m := number.FindStringSubmatch(gdb(t, c, "p/x $pc")["p/x $pc"])
	pc, err := strconv.ParseUint(m[1], 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range loads {
		if pc >= l.Addr && pc < l.Addr+l.Size {
			return []string{
				fmt.Sprintf("add-symbol-file %s -o %#x", filepath.Join(c.Sysroot, "lib/aarch64-linux-gnu/libc.so.6"), l.Addr),
				fmt.Sprintf("add-symbol-file %s -o %#x", c.Program, loads[0].Addr),
			}
		}
	}
	t.Fatalf("no mapping has %#x", pc)
	return nil
}
