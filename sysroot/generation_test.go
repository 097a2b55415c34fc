package sysroot

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestParseGeneration(t *testing.T) {
	for base, want := range map[string]int{"n": 0, "n.1": 1, "n.20": 20} {
		if got, ok := parseGeneration("n", base); !ok || got != want || generationName("n", want) != base {
			t.Errorf("%q: %d, %t", base, got, ok)
		}
	}
	for _, base := range []string{"", "m", "n.", "n.0", "n.01", "n.+1", "n.-1", "n.1/", "n.1/../..", "n.99999999999999999999", "n" + currentSuffix, noGeneration, "../n"} {
		if got, ok := parseGeneration("n", base); ok {
			t.Errorf("%q is taken for %d", base, got)
		}
	}
}

// own is the spec of the mirror's suite.
var own = Spec{Kind: Debian, Suite: "bookworm"}

// mustPull pulls with the packages named, and mustDir returns the folder that is used.
func mustPull(t *testing.T, c *Cache, m *mirror, packages ...string) Entry {
	t.Helper()
	e, err := c.Pull(t.Context(), m.request(packages...))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustDir(t *testing.T, c *Cache) string {
	t.Helper()
	dir, err := c.Dir(own, runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// another is a cache of the same folder, as another process opens it.
func another(t *testing.T, c *Cache) *Cache {
	t.Helper()
	user, err := Open(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(user.Close)
	return user
}

// TestHeldStays: who uses a generation keeps it, with every file, and sees no other; it is
// listed, and goes when nobody holds it.
func TestHeldStays(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	mustPull(t, c, m)
	user := another(t, c)
	dir := mustDir(t, user)
	e := mustPull(t, c, m, "tiny-a")
	if e.Generation != 2 || e.Held || len(e.Older) != 1 || e.Older[0] != (Generation{1, true, filepath.Dir(dir)}) {
		t.Errorf("%+v", e)
	}
	if lasting := Lasting(dir); lasting == dir || Lasting("/") != "/" || Lasting("/a.1/root") != "/a.1/root" || Lasting("/a/root") != "/a/root" {
		t.Errorf("of %s the lasting name is %s", dir, lasting)
	} else if _, err := os.Stat(filepath.Join(lasting, "usr/share/a")); err != nil {
		t.Error(err) // it leads to what was pulled since
	}
	mustPull(t, c, m, "tiny-b")
	if got := names(t, c); len(got) != 2 {
		t.Errorf("the one that nobody held is still there: %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "lib", abis[e.Arch].triplet, "libc.so.6")); err != nil {
		t.Error(err)
	}
	if again := mustDir(t, user); again != dir {
		t.Errorf("then it is %s, before %s", again, dir)
	}
	if now := mustDir(t, another(t, c)); now == dir {
		t.Errorf("who comes later gets the old one, %s", now)
	}
	user.Close()
	mustPull(t, c, m, "tiny-b") // there is nothing to pull
	if got := names(t, c); !slices.Equal(got, []string{entryName("bookworm", runtime.GOARCH) + ".3"}) {
		t.Errorf("the store holds %q", got)
	}
}

// TestPullInUse: a process that pulls goes on with what it has pulled, and keeps what it had
// opened before.
func TestPullInUse(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	mustPull(t, c, m)
	before := mustDir(t, c)
	e := mustPull(t, c, m, "tiny-a")
	if now := mustDir(t, c); now != e.Path || now == before {
		t.Errorf("%s, pulled was %s, before %s", now, e.Path, before)
	}
	if _, err := os.Stat(before); err != nil {
		t.Error(err)
	}
	c.Close()
	mustPull(t, c, m)
	if _, err := os.Stat(before); err == nil {
		t.Errorf("%s is still there", before)
	}
}

// TestKilledHoldsNothing: the kernel gives back what a process held.
func TestKilledHoldsNothing(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	first := mustPull(t, c, m)
	cmd := m.child(t, c, childTask{Hold: true})
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }() // it is killed by then
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != first.Path {
		t.Fatalf("it holds %q, %v", line, err)
	}
	mustPull(t, c, m, "tiny-a")
	if _, err := os.Stat(first.Path); err != nil {
		t.Error("while it lives: ", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); !killed(err) {
		t.Errorf("%v", err)
	}
	mustPull(t, c, m)
	if _, err := os.Stat(first.Path); err == nil {
		t.Error("it holds its sysroot when it is dead")
	}
}

// toOldLayout makes of the cache's only generation what a cache had before there were any.
func toOldLayout(t *testing.T, c *Cache) {
	t.Helper()
	name := entryName("bookworm", runtime.GOARCH)
	if err := os.Rename(c.entryPath("bookworm", runtime.GOARCH), filepath.Join(c.store(), name)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(c.linkPath(name)); err != nil {
		t.Fatal(err)
	}
}

// TestOldLayout: what was pulled before there were generations is used, and added to,
// without being fetched anew.
func TestOldLayout(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	mustPull(t, c, m, "tiny-a")
	toOldLayout(t, c)
	if err := os.Remove(m.deb("libc6")); err != nil { // it cannot be fetched
		t.Fatal(err)
	}
	user := another(t, c)
	dir := mustDir(t, user)
	e, err := c.entry("bookworm", runtime.GOARCH)
	if err != nil || !e.Pulled || e.Generation != 0 || !e.Held || e.Path != dir || packageNames(e) != "libc6 libc6-dbg tiny-a" {
		t.Errorf("%+v, %v", e, err)
	}
	e = mustPull(t, c, m, "tiny-b")
	if packageNames(e) != "libc6 libc6-dbg tiny-a tiny-b" || e.Generation != 1 || len(e.Older) != 1 || e.Older[0].Number != 0 {
		t.Errorf("%+v", e)
	}
	if _, err := os.Stat(filepath.Join(dir, "usr/share/a")); err != nil {
		t.Error(err)
	}
	user.Close()
	mustPull(t, c, m)
	if got := names(t, c); !slices.Equal(got, []string{entryName("bookworm", runtime.GOARCH) + ".1"}) {
		t.Errorf("the store holds %q", got)
	}
}

// TestRemove: what is removed is found by nobody, but stays for who uses it, in either layout.
func TestRemove(t *testing.T) {
	m := newMirror(t, "bookworm")
	for _, old := range []bool{false, true} {
		c := openTemp(t)
		if _, err := c.Remove(own, runtime.GOARCH); !errors.Is(err, errMissing) {
			t.Errorf("of nothing: %v", err)
		}
		mustPull(t, c, m)
		if old {
			toOldLayout(t, c)
		}
		user := another(t, c)
		dir := mustDir(t, user)
		inUse, err := c.Remove(own, runtime.GOARCH)
		if err != nil || len(inUse) != 1 || !inUse[0].Held || inUse[0].Path != filepath.Dir(dir) {
			t.Errorf("old layout %t: %+v, %v", old, inUse, err)
		}
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
		if _, err := another(t, c).Dir(own, runtime.GOARCH); !errors.Is(err, errMissing) || !strings.Contains(err.Error(), "not pulled yet") {
			t.Errorf("old layout %t: another finds it: %v", old, err)
		}
		if e, err := c.entry("bookworm", runtime.GOARCH); err != nil || e.Pulled || len(e.Older) != 1 {
			t.Errorf("old layout %t: %+v, %v", old, e, err)
		}
		if inUse, err := c.Remove(own, runtime.GOARCH); err != nil || len(inUse) != 1 {
			t.Errorf("old layout %t: again: %+v, %v", old, inUse, err)
		}
		if e := mustPull(t, c, m); e.Path == dir {
			t.Errorf("old layout %t: the pull made %+v", old, e)
		}
		user.Close()
		if inUse, err := c.Remove(own, runtime.GOARCH); err != nil || len(inUse) != 0 {
			t.Errorf("old layout %t: at last: %+v, %v", old, inUse, err)
		}
		left, err := os.ReadDir(c.store())
		if err != nil || len(left) != 1 || left[0].Name() != lockName {
			t.Errorf("old layout %t: it leaves %v, %v", old, left, err)
		}
	}
	for _, bad := range []Spec{{Kind: Host}, {Kind: Folder, Path: "/"}, {Kind: Debian, Suite: "bookworm", Libc: Musl}} {
		if _, err := openTemp(t).Remove(bad, "arm64"); !errors.Is(err, ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if _, err := openTemp(t).Remove(own, "s390x"); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

// TestRemoveBesideAPull: the two do not meet.
func TestRemoveBesideAPull(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	mustPull(t, c, m)
	unlock, _, err := c.tryLock()
	if err != nil {
		t.Fatal(err)
	}
	var known *Error
	if _, err := c.Remove(own, runtime.GOARCH); !errors.As(err, &known) || known.Hint() == "" {
		t.Errorf("%v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	mustDir(t, c)
}

// TestOrphans: a pull that died between a generation and its link leaves the old one current,
// and the next pull removes what it left.
func TestOrphans(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	first := mustPull(t, c, m)
	name := entryName("bookworm", runtime.GOARCH)
	if err := os.CopyFS(filepath.Join(c.store(), name+".2"), os.DirFS(filepath.Dir(first.Path))); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(c.store(), name+".7", "root", "x"), nil) // has no manifest
	if dir := mustDir(t, another(t, c)); dir != first.Path {
		t.Errorf("%s is current", dir)
	}
	if e := mustPull(t, c, m, "tiny-a"); e.Generation != 8 || len(e.Older) != 1 || !e.Older[0].Held {
		t.Errorf("%+v", e)
	}
}

// TestLinks: a link that leads anywhere but to a generation is one to nothing.
func TestLinks(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	e := mustPull(t, c, m)
	name := entryName("bookworm", runtime.GOARCH)
	for _, target := range []string{e.Path, filepath.Dir(e.Path), "./" + name + ".1", "../sysroot/" + name + ".1", name + ".01", name + ".9", name + currentSuffix, noGeneration} {
		if err := os.Remove(c.linkPath(name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, c.linkPath(name)); err != nil {
			t.Fatal(err)
		}
		if dir, err := another(t, c).Dir(own, runtime.GOARCH); !errors.Is(err, errMissing) {
			t.Errorf("%s: %s, %v", target, dir, err)
		}
	}
	if again := mustPull(t, c, m); again.Generation != 2 {
		t.Errorf("%+v", again)
	}
}

// TestHoldsBesideRemovals: who gets a folder can read all of it, however often others pull
// and remove.
func TestHoldsBesideRemovals(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	mustPull(t, c, m, "tiny-a", "tiny-b")
	rounds := 60
	if testing.Short() {
		rounds = 12
	}
	name := entryName("bookworm", runtime.GOARCH)
	var done atomic.Bool
	var held atomic.Int64
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for !done.Load() {
				user, err := Open(c.Path())
				if err != nil {
					t.Error(err)
					return
				}
				dir, err := user.Dir(own, runtime.GOARCH)
				if err == nil {
					held.Add(1)
					for range 20 {
						if _, err = os.Stat(filepath.Join(dir, "usr/share/b")); err != nil {
							break
						}
						runtime.Gosched()
					}
				}
				user.Close()
				if err != nil {
					t.Errorf("%s: %v", dir, err)
					return
				}
			}
		})
	}
	for range rounds {
		// What a pull does, without what it fetches.
		unlock, err := c.lockStore(t.Context(), func() {})
		if err != nil {
			t.Fatal(err)
		}
		work, err := os.MkdirTemp(c.store(), tmpPrefix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(work, entryWork), os.DirFS(c.entryPath("bookworm", runtime.GOARCH))); err != nil {
			t.Fatal(err)
		}
		if err := c.install(work, name); err != nil {
			t.Fatal(err)
		}
		if _, err := c.sweep(name); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(removeTree(work), unlock()); err != nil {
			t.Fatal(err)
		}
	}
	done.Store(true)
	group.Wait()
	if _, err := c.sweep(name); err != nil {
		t.Error(err)
	}
	if got := names(t, c); len(got) != 1 || held.Load() < int64(rounds)/10 {
		t.Errorf("the store holds %q; it was held %d times", got, held.Load())
	}
}
