package sysroot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

const goodManifest = `{
  "format": 1,
  "spec": "debian:bookworm",
  "arch": "arm64",
  "libc": "2.36",
  "build_id": "00ff",
  "packages": [
    {
      "name": "libc6",
      "version": "2.36-9",
      "sha256": "aa"
    },
    {
      "name": "libc6-dbg",
      "version": "2.36-9",
      "sha256": "bb"
    }
  ]
}
`

func TestParseManifest(t *testing.T) {
	m, err := parseManifest([]byte(goodManifest), "bookworm", "arm64")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := m.encode(); err != nil || string(data) != goodManifest {
		t.Errorf("%s, %v", data, err)
	}
	if !m.has(nil) || !m.has([]string{"libc6-dbg", "libc6"}) || m.has([]string{"libc6", "zlib1g"}) || !m.has([]string{"libc6t64,libc6"}) || m.has([]string{"zlib1g,libc"}) {
		t.Error("has is wrong")
	}

	for _, test := range []struct{ old, new, err string }{
		{`"format": 1`, `"format": 2`, "format: 2, not 1"},
		{`"format": 1,`, ``, "format: 0, not 1"},
		{`debian:bookworm`, `debian:trixie`, `spec: "debian:trixie", not "debian:bookworm"`},
		{`arm64`, `amd64`, `arch: "amd64", not "arm64"`},
		{`"libc6-dbg"`, `"zlib1g"`, "libc6 or libc6-dbg is not among them"},
		{`"libc":`, `"lubc":`, `unknown field "lubc"`},
		{`2.36"`, "2.36", "invalid character"},
		{"\n}\n", "", "unexpected EOF"},
		{"\n}\n", "}{}", "more than one value"},
		{"\n}\n", "}]", "more than one value"},
		{goodManifest, "", "EOF"},
		{goodManifest, "null", "format: 0, not 1"},
		{goodManifest, "[]", "cannot unmarshal"},
	} {
		text := strings.Replace(goodManifest, test.old, test.new, 1)
		if text == goodManifest {
			t.Fatalf("%q is not in it", test.old)
		}
		_, err := parseManifest([]byte(text), "bookworm", "arm64")
		if err == nil || !strings.HasPrefix(err.Error(), "manifest.json: ") || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%q for %q: %v, want %q", test.new, test.old, err, test.err)
		}
	}
}

func TestReadManifest(t *testing.T) {
	arch := runtime.GOARCH
	good := strings.Replace(goodManifest, "arm64", arch, 1)
	libc := "root/lib/" + abis[arch].triplet + "/libc.so.6"
	for _, test := range []struct {
		name  string
		files map[string]string
		err   string
	}{
		{"whole", map[string]string{manifestName: good, libc: string(hostLibc(t))}, ""},
		{"no libc", map[string]string{manifestName: good, "root/a": ""}, "holds no libc.so.6"},
		{"empty libc", map[string]string{manifestName: good, libc: ""}, "holds no libc.so.6"},
		{"no root", map[string]string{manifestName: good}, "no such file"},
		{"root is a file", map[string]string{manifestName: good, "root": ""}, "not a directory"},
		{"endless", map[string]string{manifestName: strings.Repeat(" ", manifestLimit+1), libc: ""}, "larger than 1 MiB"},
	} {
		dir := t.TempDir()
		for name, text := range test.files {
			write(t, filepath.Join(dir, name), []byte(text))
		}
		_, err := readManifest(dir, "bookworm", arch)
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.err)
		}
	}
	if _, err := readManifest(filepath.Join(t.TempDir(), "gone"), "bookworm", arch); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, manifestName), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := readManifest(dir, "bookworm", arch); err == nil {
		t.Error("a manifest that is a folder was read")
	}
}

// FuzzManifest: a manifest that is taken says the same when written again.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(goodManifest))
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data, "bookworm", "arm64")
		if err != nil {
			return
		}
		written, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseManifest(written, "bookworm", "arm64")
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v\nthen %+v, %v", m, again, err)
		}
	})
}
