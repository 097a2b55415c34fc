package sysroot

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRelativeLinks(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "usr/lib/x/libc.so"), []byte("libc"))
	for link, target := range map[string]string{
		"lib":                "usr/lib",                     // relative: stays
		"lib64/ld.so":        "/lib/x/libc.so",              // through another link
		"usr/lib/x/ld.so":    "/usr/lib/x/libc.so",          // in its own folder
		"usr/lib/x/up":       "/../../../usr/lib/x/libc.so", // / has no parent
		"usr/share/zone":     "/etc/localtime",              // leads nowhere
		"usr/share/self":     "/",
		"usr/share/relative": "../../../../etc/passwd", // not absolute: stays
	} {
		path := filepath.Join(root, link)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // A second time nothing is left to do.
		if err := relativeLinks(root); err != nil {
			t.Fatal(err)
		}
	}
	for link, want := range map[string]string{
		"lib":                "usr/lib",
		"lib64/ld.so":        "../lib/x/libc.so",
		"usr/lib/x/ld.so":    "libc.so",
		"usr/lib/x/up":       "libc.so",
		"usr/share/zone":     "../../etc/localtime",
		"usr/share/self":     "../..",
		"usr/share/relative": "../../../../etc/passwd",
	} {
		if got, err := os.Readlink(filepath.Join(root, link)); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", link, got, err, want)
		}
	}
	for _, link := range []string{"lib64/ld.so", "usr/lib/x/up"} {
		if data, err := os.ReadFile(filepath.Join(root, link)); err != nil || string(data) != "libc" {
			t.Errorf("%s: %q, %v", link, data, err)
		}
	}
}

func TestLinkTree(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	write(t, filepath.Join(from, "a/b/file"), []byte("text"))
	if err := os.Symlink("nowhere", filepath.Join(from, "a/link")); err != nil {
		t.Fatal(err)
	}
	if err := linkTree(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(to, "a/b/file")); err != nil || string(data) != "text" {
		t.Errorf("%q, %v", data, err)
	}
	if target, err := os.Readlink(filepath.Join(to, "a/link")); err != nil || target != "nowhere" {
		t.Errorf("%q, %v", target, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := linkTree(ctx, from, to+"2"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestUnpackLeavesLinkedFilesAlone: the new version of a file must not be
// written into the one that an older entry still has.
func TestUnpackLeavesLinkedFilesAlone(t *testing.T) {
	m := newMirror(t, "bookworm")
	old, root := t.TempDir(), filepath.Join(t.TempDir(), "root")
	write(t, filepath.Join(old, "usr/share/a"), []byte("old"))
	if err := linkTree(t.Context(), old, root); err != nil {
		t.Fatal(err)
	}
	if err := unpack(t.Context(), m.deb("tiny-a"), root); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{old: "old", root: "a"} {
		if data, err := os.ReadFile(filepath.Join(dir, "usr/share/a")); err != nil || string(data) != want {
			t.Errorf("%q, %v; want %q", data, err, want)
		}
	}
}

func TestRemoveTree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	write(t, filepath.Join(dir, "locked/deep/file"), nil)
	for _, sub := range []string{"locked/deep", "locked"} {
		if err := os.Chmod(filepath.Join(dir, sub), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeTree(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it is still there")
	}
	if err := removeTree(dir); err != nil {
		t.Errorf("when it is gone: %v", err)
	}
}

func TestUpstreamVersion(t *testing.T) {
	for version, want := range map[string]string{
		"2.36-9+deb12u10": "2.36", "2.43-1": "2.43", "1:1.2.13.dfsg-1": "1.2.13.dfsg", "1.0": "1.0", "1-2-3": "1-2",
		"": "", "-1": "", "1:": "",
	} {
		if got, err := upstreamVersion(version); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", version, got, err, want)
		}
	}
}

func TestPackageNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"libc6": true, "g++": true, "libstdc++6": true, "0ad": true, "libc6.1-dbg": true, "ab": true,
		"": false, "a": false, "-y": false, "+x": false, ".x": false, "Libc6": false, "libc6=2": false, "libc6/sid": false,
		"libc6:arm64": false, "a b": false, "libc6\n": false, "libc*": false, "?name(x)": false, "~nlibc6": false, "../x": false,
		strings.Repeat("a", packageNameLimit): true, strings.Repeat("a", packageNameLimit+1): false,
	} {
		if err := checkPackageName(name); (err == nil) != ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		if checkPackageName(name) == nil && strings.ContainsAny(name, " \n\t=/:*?~[]()'\"$`\\") {
			t.Fatalf("%q was taken", name)
		}
	})
}
