package sysroot

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// mirror is a small Debian archive on disk that the machine's real apt reads.
// Its libc6 holds this machine's own libc, so its architecture is the host's.
type mirror struct {
	dir     string
	keyring string
	signer  *signer
	suite   string
	entries []string // stanzas of the Packages file
	// contents is the list of what packages have, "" for an archive without one.
	contents string
	sources  string // stanzas of the Sources file, "" for an archive without one
}

// testKey is the key of every mirror: making one takes long.
var testKey struct {
	sync.Once
	signer *signer
}

// newMirror makes an archive of one suite with libc6, libc6-dbg and the small
// packages tiny-a and tiny-b.
func newMirror(t *testing.T, suite string) *mirror {
	t.Helper()
	testKey.Do(func() { testKey.signer = newSigner(t) })
	m := &mirror{dir: publicDir(t), signer: testKey.signer, suite: suite}
	m.keyring = filepath.Join(m.dir, "key.gpg")
	write(t, m.keyring, m.signer.keyring(t))

	lib := "lib/" + abis[runtime.GOARCH].triplet
	links := map[string]string{"lib64/ld.so": "/" + lib + "/libc.so.6"}
	if s, _ := findSuite(suite); s.mergedUsr {
		lib = "usr/" + lib
		links = map[string]string{"usr/lib64/ld.so": "../" + strings.TrimPrefix(lib, "usr/") + "/libc.so.6"}
	}
	m.add(t, "libc6", "2.36-9+test1", map[string][]byte{lib + "/libc.so.6": hostLibc(t)}, links)
	m.add(t, "libc6-dbg", "2.36-9+test1", map[string][]byte{"usr/lib/debug/libc.debug": []byte("debug")}, nil)
	// Only what is looked for of musl matters here: a file for the architecture.
	m.add(t, "musl", "1.2.3-1", map[string][]byte{strings.TrimSuffix(lib, abis[runtime.GOARCH].triplet) + abis[runtime.GOARCH].musl: hostLibc(t)}, nil)
	m.add(t, "tiny-a", "1:1.0-1", map[string][]byte{"usr/share/a": []byte("a")}, nil)
	m.add(t, "tiny-b", "2.0", map[string][]byte{"usr/share/b": []byte("b")}, nil)
	m.publish(t)
	return m
}

// publicDir is a temporary folder that any user may read.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// hostLibc returns the bytes of this machine's libc.
func hostLibc(t *testing.T) []byte {
	t.Helper()
	place, err := findLibc("host", "/", runtime.GOARCH, "")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("/" + place)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// add enters a package into the archive and its lists.
func (m *mirror) add(t *testing.T, name, version string, files map[string][]byte, links map[string]string) {
	t.Helper()
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: nobody <nobody@example.org>\nDescription: test\n",
		name, version, runtime.GOARCH)
	data := built(t, control, files, links)
	write(t, m.deb(name), data)
	m.entries = append(m.entries, fmt.Sprintf("%sFilename: pool/%s.deb\nSize: %d\nSHA256: %x\n",
		control, name, len(data), sha256.Sum256(data)))
}

// packages has what was built, by a hash of what it was built of: mirrors differ little.
var packages sync.Map

// built is a package made with dpkg-deb.
func built(t *testing.T, control string, files map[string][]byte, links map[string]string) []byte {
	t.Helper()
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %q", control, links)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(hash, "%q %x", file, sha256.Sum256(files[file]))
	}
	key := string(hash.Sum(nil))
	if data, ok := packages.Load(key); ok {
		return data.([]byte)
	}
	tree := t.TempDir()
	write(t, filepath.Join(tree, "DEBIAN/control"), []byte(control))
	for file, data := range files {
		write(t, filepath.Join(tree, file), data)
	}
	for link, target := range links {
		if err := os.MkdirAll(filepath.Join(tree, filepath.Dir(link)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(tree, link)); err != nil {
			t.Fatal(err)
		}
	}
	deb := filepath.Join(t.TempDir(), "built.deb")
	if out, err := exec.Command("dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, deb).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v: %s", err, out)
	}
	data, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	packages.Store(key, data)
	return data
}

// deb is the path of a package's file.
func (m *mirror) deb(name string) string { return filepath.Join(m.dir, "pool", name+".deb") }

// release is the path of the suite's Release file.
func (m *mirror) release() string { return filepath.Join(m.dir, "dists", m.suite, "Release") }

// publish writes the lists and signs them.
func (m *mirror) publish(t *testing.T) {
	t.Helper()
	lists := []byte(strings.Join(m.entries, "\n"))
	name := "main/binary-" + runtime.GOARCH + "/Packages"
	write(t, filepath.Join(filepath.Dir(m.release()), name), lists)
	sums := fmt.Sprintf(" %x %d %s\n", sha256.Sum256(lists), len(lists), name)
	if m.sources != "" {
		write(t, filepath.Join(filepath.Dir(m.release()), "main/source/Sources"), []byte(m.sources))
		sums += fmt.Sprintf(" %x %d main/source/Sources\n", sha256.Sum256([]byte(m.sources)), len(m.sources))
	}
	if m.contents != "" {
		var list bytes.Buffer
		z := gzip.NewWriter(&list)
		if _, err := z.Write([]byte(m.contents)); err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		name := "main/Contents-" + runtime.GOARCH
		write(t, filepath.Join(filepath.Dir(m.release()), name+".gz"), list.Bytes())
		sums += fmt.Sprintf(" %x %d %s\n", sha256.Sum256([]byte(m.contents)), len(m.contents), name)
		sums += fmt.Sprintf(" %x %d %s.gz\n", sha256.Sum256(list.Bytes()), list.Len(), name)
	}
	release := fmt.Appendf(nil, "Origin: Debian\nSuite: %s\nCodename: %s\nDate: Sun, 13 Sep 2020 12:26:40 UTC\n"+
		"Architectures: %s\nComponents: main\nSHA256:\n%s",
		m.suite, m.suite, runtime.GOARCH, sums)
	write(t, m.release(), release)
	write(t, m.release()+".gpg", m.signer.detached(t, release))
}

// walkFiles calls a function with each file of a folder, in the order of their names.
func walkFiles(root fs.FS, each func(name string)) error {
	return fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			each(name)
		}
		return err
	})
}

// request is a pull of the host's architecture from the mirror.
func (m *mirror) request(packages ...string) PullRequest {
	return PullRequest{Suite: m.suite, Arch: runtime.GOARCH, Packages: packages, Mirror: "file:" + m.dir, Keyring: m.keyring}
}
