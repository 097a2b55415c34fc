package sysroot

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// contentsOf is a list as the archive has them, for this machine's architecture.
func contentsOf(lines ...string) string {
	return strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "TRIPLET", abis[runtime.GOARCH].triplet)
}

var someContents = contentsOf(
	"bin/ls                                      utils/coreutils",
	"etc/foo.conf                                libs/libfoo1",
	"lib/TRIPLET/libz.so.1                       libs/zlib1g",
	"usr/bin/python3                             python/python3-minimal",
	"usr/games/fortune\t\tgames/fortune-mod,contrib/games/fortunes-other",
	"usr/lib/TRIPLET/libfoo.so.1                 libs/libfoo1",
	"usr/lib/TRIPLET/libfoo.so.1.2               libs/libfoo1",
	"usr/lib/app/libfoo.so.1                     web/app",
	"usr/lib/app/plugin.so                       web/app",
	"usr/lib/app/data.bin                        web/app",
	"usr/share/doc/libfoo.so.1                   doc/libfoo-doc",
	"usr/share/a file with spaces                doc/app-doc",
	"no-owner",
	"usr/bin/strange                             x/Not_A_Package",
)

// The archive's list comes through apt, whole and signed; what has been fetched is in the
// cache for all that run later.
func TestFetchIndex(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	spec := Spec{Kind: Debian, Suite: "bookworm"}
	if _, err := c.FetchIndex(t.Context(), m.request()); err == nil {
		t.Error("an archive without a list has one")
	}
	if _, err := c.Index(spec, runtime.GOARCH); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before a list was fetched: %v", err)
	}
	m.contents = someContents
	m.publish(t)
	var steps []string
	req := m.request()
	req.Progress = func(step string) { steps = append(steps, step) }
	fetched, err := c.FetchIndex(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if want := "reading which files the packages of debian:bookworm for " + runtime.GOARCH + " have"; !slices.Equal(steps, []string{want}) {
		t.Errorf("%q", steps)
	}
	read, err := c.Index(Spec{Kind: Debian, Suite: "bookworm", Libc: Musl}, runtime.GOARCH)
	if err != nil || !bytes.Equal(read.lines, fetched.lines) {
		t.Fatalf("what was kept is not what was fetched: %v", err)
	}
	if left := names(t, c); len(left) > 0 {
		t.Errorf("it leaves %q", left)
	}
	triplet := abis[runtime.GOARCH].triplet
	for _, tc := range []struct{ name, want string }{
		{"libz.so.1", "zlib1g /lib/" + triplet + "/libz.so.1"},
		{"/usr/lib/" + triplet + "/libz.so.1", "zlib1g /lib/" + triplet + "/libz.so.1"},
		{"libfoo.so.1", "libfoo1 /usr/lib/" + triplet + "/libfoo.so.1"}, // and not the application's own
		{"/lib/" + triplet + "/../" + triplet + "/libfoo.so.1", "libfoo1 /usr/lib/" + triplet + "/libfoo.so.1"},
		{"/usr/lib/app/libfoo.so.1", "app /usr/lib/app/libfoo.so.1"},
		{"plugin.so", "app /usr/lib/app/plugin.so"},
		{"ls", "coreutils /bin/ls"}, {"/usr/bin/ls", "coreutils /bin/ls"},
		{"python3", "python3-minimal /usr/bin/python3"},
		{"fortune", "fortune-mod /usr/games/fortune, fortunes-other /usr/games/fortune"},
		{"foo.conf", ""}, {"data.bin", ""}, {"libfoo", ""}, {"foo.so.1", ""}, {"s", ""}, {"", ""}, {"/", ""}, {"bin/ls", ""},
		{"strange", ""}, {"no-owner", ""}, {"spaces", ""},
	} {
		var list []string
		for _, o := range read.Owners(tc.name) {
			list = append(list, o.Package+" "+o.Path)
		}
		if got := strings.Join(list, ", "); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// A list that is not the signed one is no list, and what was fetched before stays.
func TestFetchIndexTampered(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	m.contents = someContents
	m.publish(t)
	if _, err := c.FetchIndex(t.Context(), m.request()); err != nil {
		t.Fatal(err)
	}
	name := c.IndexPath(Spec{Kind: Debian, Suite: "bookworm"}, runtime.GOARCH)
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(filepath.Dir(m.release()), "main/Contents-"+runtime.GOARCH+".gz")
	data, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	write(t, list, data)
	if _, err := c.FetchIndex(t.Context(), m.request()); err == nil {
		t.Error("a list that is not the signed one is taken")
	}
	if now, err := os.ReadFile(name); err != nil || !bytes.Equal(now, before) {
		t.Errorf("what was kept has changed: %v", err)
	}
}

// What is no index, and sysroots that have none, are told as such.
func TestIndexErrors(t *testing.T) {
	c := openTemp(t)
	for _, spec := range []Spec{{Kind: Host}, {Kind: Folder, Path: "/"}} {
		if name := c.IndexPath(spec, "arm64"); name != "" {
			t.Errorf("%v: %s", spec, name)
		}
		if _, err := c.Index(spec, "arm64"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: %v", spec, err)
		}
	}
	spec := Spec{Kind: Debian, Suite: "trixie"}
	write(t, c.IndexPath(spec, "amd64"), []byte("emurace index 0\nlib/libz.so.1 zlib1g\n"))
	if _, err := c.Index(spec, "amd64"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of another version: %v", err)
	}
	if _, err := c.Index(spec, "mips"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of an unknown architecture: %v", err)
	}
	if _, err := c.FetchIndex(t.Context(), PullRequest{Suite: "potato", Arch: "arm64"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("of an unknown suite: %v", err)
	}
	if err := condense(strings.NewReader(strings.Repeat("x", maxLine+1)), &bytes.Buffer{}); err == nil {
		t.Error("a line without end is read")
	}
}

// Whatever a list holds, each line that is kept is found again by the file's name and by its
// path, with or without the folder usr in front, and nothing else is.
func TestIndexProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dirs := rapid.SampledFrom([]string{"bin", "usr/bin", "sbin", "lib", "usr/lib", "lib/aarch64-linux-gnu", "usr/lib/app", "usr/share", "etc"})
		bases := rapid.SampledFrom([]string{"a", "b.so", "libc.so.1", "libc.so.1.2", "x y", "so"})
		owners := rapid.SampledFrom([]string{"libs/p1", "p2", "contrib/web/p3", "BAD", "p4,libs/p5"})
		var text strings.Builder
		want := map[string]bool{} // path of a file, and its package
		for range rapid.IntRange(0, 20).Draw(t, "lines") {
			at, owner := dirs.Draw(t, "dir")+"/"+bases.Draw(t, "base"), owners.Draw(t, "owner")
			fmt.Fprintf(&text, "%s%s%s\n", at, rapid.SampledFrom([]string{" ", "\t", "      "}).Draw(t, "gap"), owner)
			for _, o := range strings.Split(owner, ",") {
				if name := o[strings.LastIndexByte(o, '/')+1:]; name != "BAD" && needed(at) {
					want["/"+at+" "+name] = true
				}
			}
		}
		var kept bytes.Buffer
		if err := condense(strings.NewReader(text.String()), &kept); err != nil {
			t.Fatal(err)
		}
		x := &Index{"arm64", kept.Bytes()}
		for line := range want {
			at, name, _ := strings.Cut(line, " ")
			for _, asked := range []string{at, strings.TrimPrefix(at, "/usr"), at[strings.LastIndexByte(at, '/')+1:]} {
				list := x.Owners(asked)
				found := slices.ContainsFunc(list, func(o Owner) bool { return o.Package == name && merged(o.Path[1:]) == merged(at[1:]) })
				better := !strings.Contains(asked, "/") && !x.searched(filepath.Dir(merged(at[1:]))) // others come first
				if !found && !better && len(list) < maxOwners {
					t.Fatalf("%s of %s: %v", asked, line, list)
				}
				for _, o := range list {
					if !want[o.Path+" "+o.Package] {
						t.Fatalf("%s: nobody has said %v", asked, o)
					}
				}
			}
		}
	})
}
