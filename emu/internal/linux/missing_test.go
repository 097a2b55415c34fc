package linux

import (
	"go/build"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"emurace/loader"
)

// TestMissing: what Linux would have done and this kernel does not is named; what it
// does, refuses as Linux does, or lacks by intention is not.
func TestMissing(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		k.spawn(1)
		file := uint64(k.do("openat", cwd, k.str("/etc/big"), 0))
		mapped := uint64(k.do("mmap", 0, page, 1, 2, file, 0))
		word := k.room(32)
		handler := k.put(append([]byte{1, 2}, make([]byte, 30)...))
		k.do("rt_sigaction", 12, handler, 0, 8)
		for _, c := range []struct {
			name string
			args []uint64
			want string
		}{
			{"rseq", nil, ""},
			{"membarrier", nil, ""},
			{"futex", []uint64{word, 6}, "futex operation LOCK_PI"},
			{"futex", []uint64{word, 99}, ""},
			{"futex", []uint64{word, 0, 1}, ""},
			{"fcntl", []uint64{file, 8}, "fcntl operation 8"},
			{"fcntl", []uint64{file, 1033}, "fcntl operation 1033"},
			{"fcntl", []uint64{file, 500}, ""},
			{"fcntl", []uint64{99, 8}, ""},
			{"mremap", []uint64{mapped, page, page, 3, mapped}, "mremap with flags 0x3"},
			{"mremap", []uint64{mapped, page, page, 8}, ""},
			{"madvise", []uint64{mapped, page, madvDontneed}, ""},
			{"clone", []uint64{17}, "fork"},
			{"clone", []uint64{17 | cloneVM | cloneVfork, k.room(16)}, "posix_spawn"},
			{"clone", []uint64{17 | cloneVM | cloneVfork}, "vfork"},
			{"clone", []uint64{17 | cloneVM}, "clone of a process"},
			{"execve", []uint64{k.str("/bin/sh")}, "execve of /bin/sh"},
			{"execveat", []uint64{cwd, k.str("/bin/true")}, "execve of /bin/true"},
			{"execve", []uint64{unmapped}, ""},
			{"kill", []uint64{FirstTID, 9}, ""},
		} {
			s := k.Snapshot()
			if got := k.at(1, c.name, c.args...).Missing; got != c.want {
				t.Errorf("%s%x: %q is missing, want %q", c.name, c.args, got, c.want)
			}
			k.Restore(s)
		}
		for n, want := range map[uint64]string{
			map[loader.Arch]uint64{loader.ARM64: 40, loader.AMD64: 165}[k.Arch]:  "mount",
			map[loader.Arch]uint64{loader.ARM64: 142, loader.AMD64: 169}[k.Arch]: "reboot",
			425: "io_uring_setup", 9999: "syscall 9999", ^uint64(0): "syscall -1",
		} {
			r, err := k.Do(Call{Number: n})
			if err != nil || int64(r.Value) != errno(ENOSYS) || r.Effect != Returns || k.threads.result[0] != r.Value {
				t.Errorf("call %d: %+v, %v", n, r, err)
			}
			if r.Name != want || r.Missing != want {
				t.Errorf("call %d: it is called %q and missing as %q, want %q", n, r.Name, r.Missing, want)
			}
		}
	})
}

// TestCallNames: the names are those that the module golang.org/x/sys has from Linux's own
// files, and the table of calls has the same.
func TestCallNames(t *testing.T) {
	sys, err := build.Import("golang.org/x/sys/unix", ".", build.FindOnly)
	if err != nil {
		t.Fatal(err)
	}
	constant := regexp.MustCompile(`(?m)^\s*SYS_(\w+)\s*=\s*(\d+)$`)
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		text, err := os.ReadFile(filepath.Join(sys.Dir, "zsysnum_linux_"+arch.String()+".go"))
		if err != nil {
			t.Fatal(err)
		}
		want := map[uint64]string{}
		for _, m := range constant.FindAllStringSubmatch(string(text), -1) {
			n, err := strconv.ParseUint(m[2], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			want[n] = strings.ToLower(m[1])
		}
		if len(want) < 300 {
			t.Fatalf("%v: %d names in %s", arch, len(want), sys.Dir)
		}
		for n := range uint64(1000) {
			// A number that each architecture may use for calls of its own.
			if got, ok := CallName(arch, n); got != want[n] && want[n] != "arch_specific_syscall" {
				t.Errorf("%v: %d is called %q (%v), want %q", arch, n, got, ok, want[n])
			}
		}
		for _, d := range Table() {
			n := d.AMD64
			if arch == loader.ARM64 {
				n = d.ARM64
			}
			if got, _ := CallName(arch, uint64(n)); n >= 0 && got != d.Name {
				t.Errorf("%v: %d is %s in the table and %q by number", arch, n, d.Name, got)
			}
		}
	}
}
