package sysroot

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

func openTemp(t *testing.T) *Cache {
	t.Helper()
	c, err := Open(filepath.Join(t.TempDir(), "cache"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// names returns what the store holds, hidden folders included, without the lock and the links
// to the current generations.
func names(t *testing.T, c *Cache) []string {
	t.Helper()
	entries, err := os.ReadDir(c.store())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		if entry.Name() != lockName && !strings.HasSuffix(entry.Name(), currentSuffix) {
			all = append(all, entry.Name())
		}
	}
	return all
}

func packageNames(e Entry) string {
	var all []string
	for _, p := range e.Packages {
		all = append(all, p.Name)
	}
	return strings.Join(all, " ")
}

func TestPull(t *testing.T) {
	for _, suite := range []string{"bookworm", "trixie"} {
		if testing.Short() && suite != "bookworm" {
			continue
		}
		t.Run(suite, func(t *testing.T) {
			m, c := newMirror(t, suite), openTemp(t)
			var steps []string
			req := m.request()
			req.Progress = func(step string) { steps = append(steps, step) }
			e, err := c.Pull(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if !e.Pulled || e.Libc != "2.36" || e.Spec.String() != "debian:"+suite || packageNames(e) != "libc6 libc6-dbg" {
				t.Errorf("entry %+v", e)
			}
			if len(e.BuildID) < 16 {
				t.Errorf("build id %q", e.BuildID)
			}
			if libc := int64(len(hostLibc(t))); e.Size <= libc {
				t.Errorf("size %d, and the libc alone has %d", e.Size, libc)
			}
			if len(steps) < 4 {
				t.Errorf("progress: %q", steps)
			}
			dir, err := c.Dir(e.Spec, e.Arch)
			if err != nil || dir != e.Path {
				t.Errorf("Dir: %q, %v, not %q", dir, err, e.Path)
			}
			// ld.so's absolute link and the links of merged-usr lead to the libc,
			// also for who may not leave the folder.
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			for _, name := range []string{"lib64/ld.so", "lib/" + abis[e.Arch].triplet + "/libc.so.6"} {
				if data, err := root.ReadFile(name); err != nil || !bytes.Equal(data, hostLibc(t)) {
					t.Errorf("%s: %d bytes, %v", name, len(data), err)
				}
			}
			if got := names(t, c); !slices.Equal(got, []string{entryName(suite, e.Arch) + ".1"}) {
				t.Errorf("the store holds %q", got)
			}
		})
	}
}

func TestPullIsReproducible(t *testing.T) {
	m := newMirror(t, "bookworm")
	var manifests [2][]byte
	for i := range manifests {
		c := openTemp(t)
		if _, err := c.Pull(t.Context(), m.request("tiny-a")); err != nil {
			t.Fatal(err)
		}
		var err error
		if manifests[i], err = os.ReadFile(filepath.Join(c.entryPath("bookworm", runtime.GOARCH), manifestName)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(manifests[0], manifests[1]) {
		t.Errorf("%s\nand then\n%s", manifests[0], manifests[1])
	}
}

func TestPullAddsPackages(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	before, err := c.Pull(t.Context(), m.request())
	if err != nil {
		t.Fatal(err)
	}
	libc, err := os.Stat(filepath.Join(before.Path, "lib", abis[before.Arch].triplet, "libc.so.6"))
	if err != nil {
		t.Fatal(err)
	}
	// Without its archive a pull of what is there works, and one of more fails
	// and leaves it as it was.
	moved := m.dir + ".away"
	if err := os.Rename(m.dir, moved); err != nil {
		t.Fatal(err)
	}
	write(t, m.keyring, m.signer.keyring(t))
	again, err := c.Pull(t.Context(), m.request("libc6"))
	if err != nil || packageNames(again) != "libc6 libc6-dbg" {
		t.Errorf("again: %+v, %v", again, err)
	}
	var hinted interface{ Hint() string }
	if _, err := c.Pull(t.Context(), m.request("tiny-b")); !errors.As(err, &hinted) || hinted.Hint() == "" {
		t.Errorf("without the archive: %v", err)
	}
	if err := os.RemoveAll(m.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(moved, m.dir); err != nil {
		t.Fatal(err)
	}

	after, err := c.Pull(t.Context(), m.request("tiny-b", "tiny-a", "tiny-b"))
	if err != nil {
		t.Fatal(err)
	}
	if got := packageNames(after); got != "libc6 libc6-dbg tiny-a tiny-b" {
		t.Errorf("packages: %s", got)
	}
	same, err := os.Stat(filepath.Join(after.Path, "lib", abis[after.Arch].triplet, "libc.so.6"))
	if err != nil || !os.SameFile(libc, same) {
		t.Errorf("the libc is another file now: %v", err)
	}
	for _, name := range []string{"usr/share/a", "usr/share/b", "usr/lib/debug/libc.debug", "lib64/ld.so"} {
		if _, err := os.Stat(filepath.Join(after.Path, name)); err != nil {
			t.Error(err)
		}
	}
	if got := names(t, c); len(got) != 1 {
		t.Errorf("the store holds %q", got)
	}
}

func TestPullRefusesWhatIsNotSigned(t *testing.T) {
	other := newSigner(t)
	for i, test := range []struct {
		name  string
		spoil func(t *testing.T, m *mirror)
	}{
		{"no signature", func(t *testing.T, m *mirror) {
			if err := os.Remove(m.release() + ".gpg"); err != nil {
				t.Fatal(err)
			}
		}},
		{"another key", func(t *testing.T, m *mirror) {
			write(t, m.keyring, other.keyring(t))
		}},
		{"changed release", func(t *testing.T, m *mirror) {
			spoilFile(t, m.release(), "Origin: Debian", "Origin: Dabian")
		}},
		{"changed lists", func(t *testing.T, m *mirror) {
			spoilFile(t, filepath.Join(filepath.Dir(m.release()), "main/binary-"+runtime.GOARCH+"/Packages"), "Description: test", "Description: tasd")
		}},
		{"changed package", func(t *testing.T, m *mirror) {
			spoilFile(t, m.deb("libc6"), "Description: test", "Description: tasd")
		}},
	} {
		if testing.Short() && i%2 != 0 {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			m, c := newMirror(t, "bookworm"), openTemp(t)
			test.spoil(t, m)
			// What the user's own configuration allows does not count.
			lax := filepath.Join(t.TempDir(), "lax.conf")
			write(t, lax, []byte("APT::Get::AllowUnauthenticated \"true\";\nAcquire::AllowInsecureRepositories \"true\";\nAcquire::AllowWeakRepositories \"true\";\n"))
			t.Setenv("APT_CONFIG", lax)
			_, err := c.Pull(t.Context(), m.request())
			if err == nil {
				t.Fatal("it was pulled")
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
			if got := names(t, c); len(got) != 0 {
				t.Errorf("the store holds %q", got)
			}
		})
	}
}

// spoilFile changes some bytes of a file, and not its size.
func spoilFile(t *testing.T, name, from, to string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(data, []byte(from), []byte(to), 1)
	if bytes.Equal(data, changed) {
		t.Fatalf("%s: %q is not in it", name, from)
	}
	write(t, name, changed)
}

func TestPullErrors(t *testing.T) {
	m := newMirror(t, "bookworm")
	for _, test := range []struct {
		name   string
		change func(*PullRequest)
		want   string // part of the error
		kind   error  // what errors.Is finds, or nil
	}{
		{"unknown suite", func(r *PullRequest) { r.Suite = "potato" }, `suite "potato": not supported`, ErrInvalid},
		{"unknown arch", func(r *PullRequest) { r.Arch = "s390x" }, `architecture "s390x": not supported`, ErrInvalid},
		{"option as package", func(r *PullRequest) { r.Packages = []string{"--allow-unauthenticated"} }, "not the name of a Debian package", ErrInvalid},
		{"version in package", func(r *PullRequest) { r.Packages = []string{"tiny-a=1"} }, "not the name of a Debian package", ErrInvalid},
		{"unknown package", func(r *PullRequest) { r.Packages = []string{"tiny-c"} }, "package tiny-c: not in debian:bookworm", ErrInvalid},
		{"regular expression", func(r *PullRequest) { r.Packages = []string{"tiny.a"} }, "package tiny.a: not in debian:bookworm", ErrInvalid},
		{"no keyring", func(r *PullRequest) { r.Keyring = "/nonexistent/key.gpg" }, "/nonexistent/key.gpg", nil},
		{"keyring with a space", func(r *PullRequest) { r.Keyring = "/a b.gpg" }, "cannot use a path", ErrInvalid},
		{"no mirror there", func(r *PullRequest) { r.Mirror = "file:/nonexistent" }, "debian:bookworm for " + runtime.GOARCH, nil},
		{"mirror without scheme", func(r *PullRequest) { r.Mirror = "example.org/debian" }, "not a URL", ErrInvalid},
		{"field in mirror", func(r *PullRequest) { r.Mirror = "file:/x\nTrusted: yes" }, "not a URL", ErrInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := openTemp(t)
			req := m.request()
			test.change(&req)
			_, err := c.Pull(t.Context(), req)
			if err == nil {
				t.Fatal("it was pulled")
			}
			var hinted interface{ Hint() string }
			if !errors.As(err, &hinted) || hinted.Hint() == "" {
				t.Errorf("no hint: %v", err)
			}
			if test.kind != nil && !errors.Is(err, test.kind) {
				t.Errorf("not %v: %v", test.kind, err)
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line with %q", err, test.want)
			}
			if entries, err := os.ReadDir(c.store()); err == nil && len(entries) > 1 {
				t.Errorf("the store holds %v", entries)
			}
		})
	}
}

func TestPullWithoutApt(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	t.Setenv("PATH", t.TempDir())
	_, err := c.Pull(t.Context(), m.request())
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "--sysroot host") || !strings.HasPrefix(err.Error(), "apt-get: not found") {
		t.Errorf("%v", err)
	}
}

func TestPullsAtTheSameTime(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	requests := []PullRequest{m.request("tiny-a"), m.request("tiny-b"), m.request(), m.request("tiny-a", "tiny-b")}
	if testing.Short() {
		requests = requests[:2]
	}
	var group sync.WaitGroup
	for _, req := range requests {
		group.Go(func() {
			if _, err := c.Pull(t.Context(), req); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	e, err := c.entry("bookworm", runtime.GOARCH)
	if err != nil || packageNames(e) != "libc6 libc6-dbg tiny-a tiny-b" {
		t.Errorf("%+v, %v", e, err)
	}
	if got := names(t, c); len(got) != 1 {
		t.Errorf("the store holds %q", got)
	}
}

func TestPullReplacesABrokenEntry(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	path := c.entryPath("bookworm", runtime.GOARCH)
	write(t, filepath.Join(path, manifestName), []byte("{"))
	write(t, filepath.Join(path, "root", "old"), nil)
	e, err := c.Pull(t.Context(), m.request())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(e.Path, "old")); err == nil {
		t.Error("a file of the broken entry is still there")
	}
}

func TestPullWaitsForTheLock(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	unlock, err := c.lockStore(t.Context(), func() { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	req := m.request()
	req.Progress = func(string) { cancel() } // Gives up when told that it waits.
	if _, err := c.Pull(ctx, req); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Pull(t.Context(), m.request()); err != nil {
		t.Error(err)
	}
}
