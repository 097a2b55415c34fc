package program

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"emurace/internal/guestcode"
	"emurace/loader"
)

// few is files of a guest.
type few map[string]string

func (f few) File(path string) ([]byte, error) {
	text, ok := f[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

// TestFind: what a command line names, as a shell and execve have it.
func TestFind(t *testing.T) {
	elf := string(guestcode.Program(t, loader.ARM64, "int main(void) { return 0; }"))
	files := few{
		"/bin/tool": elf, "/usr/bin/tool": elf, "/home/tool": elf,
		"/bin/old": elf, "/sbin/perl": elf, "/bin/merged": "#!/usr/sbin/perl\n",
		"/bin/script": "#!/bin/tool -a b\nrest", "/bin/second": "#! /bin/script\n", "/bin/self": "#!/bin/self", "/bin/lost": "#!/bin/none\n",
		"/bin/empty": "", "/bin/text": "hello\n", "/bin/nameless": "#!\n",
		"/bin/wide": "\x7fELF\x01" + strings.Repeat("\x00", 60), "/bin/cut": elf[:100],
		"/lib/lib.so": string(guestcode.Library(t, loader.ARM64, "lib.so", "int f(void) { return 0; }")),
	}
	for _, c := range []struct {
		argv, at, want string // words
		wrong          string // part of the error
	}{
		{"tool x y", "/usr/bin/tool", "tool x y", ""},
		{"./tool x", "/home/tool", "./tool x", ""},
		{"/bin/tool", "/bin/tool", "/bin/tool", ""},
		{"../bin/tool", "/bin/tool", "../bin/tool", ""},
		{"script x", "/bin/tool", "/bin/tool -a~b /bin/script x", ""},
		{"second x", "/bin/tool", "/bin/tool -a~b /bin/script /bin/second x", ""},
		{"/usr/bin/old x", "/bin/old", "/usr/bin/old x", ""},
		{"/usr/bin/merged", "/sbin/perl", "/usr/sbin/perl /bin/merged", ""},
		{"/usr/lib/lib.so", "", "", "/usr/lib/lib.so: no such program"},
		{"none", "", "", "none: no such program"},
		{"./none", "", "", "./none: no such program"},
		{"self", "", "", "scripts, one behind the other"},
		{"lost", "", "", "/bin/lost: its interpreter /bin/none is not there"},
		{"empty", "", "", "is empty"},
		{"text", "", "", "neither an ELF file nor a script"},
		{"nameless", "", "", "names no interpreter"},
		{"wide", "", "", "32 bits"},
		{"cut", "", "", "/bin/cut: "},
		{"/lib/lib.so", "", "", "is a library"},
	} {
		got, err := Find(files, "/home", "/usr/bin:/bin", strings.Fields(c.argv))
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s: %v, want %q", c.argv, err, c.wrong)
			}
			var refused *RefusedError
			var missing *NotFoundError
			if err != nil && !errors.As(err, &refused) && !errors.As(err, &missing) {
				t.Errorf("%s: %T", c.argv, err)
			}
			continue
		}
		want := strings.Fields(c.want)
		for i := range want {
			want[i] = strings.ReplaceAll(want[i], "~", " ")
		}
		if err != nil || got.Path != c.at || !slices.Equal(got.Argv, want) || got.Kind.Arch != loader.ARM64 {
			t.Errorf("%s: %+v, %v", c.argv, got, err)
		}
	}
}

// FuzzKindOf: no file makes it panic, and what is no program is refused by name.
func FuzzKindOf(f *testing.F) {
	f.Add([]byte("#!/bin/sh -e\n"))
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := KindOf("/file", data)
		var refused *RefusedError
		if err != nil && !errors.As(err, &refused) || err == nil && k.Script == nil && k.Arch == 0 {
			t.Errorf("%+v, %v", k, err)
		}
	})
}
