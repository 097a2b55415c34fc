package sysroot

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		text string
		want Spec
		err  string // part of the error; "" if there is none
	}{
		{text: "debian:bullseye", want: Spec{Kind: Debian, Suite: "bullseye"}},
		{text: "debian:forky", want: Spec{Kind: Debian, Suite: "forky"}},
		{text: "debian:bookworm/musl", want: Spec{Kind: Debian, Suite: "bookworm", Libc: Musl}},
		{text: "host", want: Spec{Kind: Host}},
		{text: "./host", want: Spec{Kind: Folder, Path: "./host"}},
		{text: "/srv/root", want: Spec{Kind: Folder, Path: "/srv/root"}},
		{text: "root", want: Spec{Kind: Folder, Path: "root"}},
		{text: ".", want: Spec{Kind: Folder, Path: "."}},
		{text: "./a:b", want: Spec{Kind: Folder, Path: "./a:b"}},
		{text: "./trixie", want: Spec{Kind: Folder, Path: "./trixie"}},
		{text: "", err: "empty"},
		{text: "debian:", err: `no such Debian suite ""`},
		{text: "debian:potato", err: `no such Debian suite "potato"`},
		{text: "debian:../../etc", err: "no such Debian suite"},
		{text: "debian:bookworm/", err: `no such libc ""`},
		{text: "debian:bookworm/glibc", err: `no such libc "glibc"`},
		{text: "debian:bookworm/musl/", err: `no such libc "musl/"`},
		{text: "debian:potato/musl", err: `no such Debian suite "potato"`},
		{text: "trixie/musl", want: Spec{Kind: Folder, Path: "trixie/musl"}},
		{text: "trixie", err: "named with its distribution"},
		{text: "ubuntu:noble", err: "unknown source"},
		{text: "/a\x00b", err: "control character"},
		{text: "/a\nb", err: "control character"},
	} {
		got, err := Parse(test.text)
		if test.err == "" {
			if err != nil || got != test.want {
				t.Errorf("%q: %+v, %v; want %+v", test.text, got, err, test.want)
			}
			continue
		}
		var known *Error
		if !errors.As(err, &known) || !errors.Is(err, ErrInvalid) || known.Hint() == "" || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%q: %v, want one with a hint and %q", test.text, err, test.err)
		}
	}
}

// TestParseString: whatever Parse takes, String gives back as Parse takes it.
func TestParseString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.String(),
			rapid.StringMatching(`(debian:)?(bullseye|bookworm|trixie|forky|host)(/musl)?`),
			rapid.StringMatching(`\.{0,2}/[a-z:]{0,9}`),
		).Draw(t, "text")
		spec, err := Parse(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than one line: %q", err)
			}
			return
		}
		if again, err := Parse(spec.String()); err != nil || again != spec {
			t.Fatalf("%q: %+v; then %+v, %v", text, spec, again, err)
		}
	})
}

func TestSuites(t *testing.T) {
	if got := strings.Join(Suites(), " "); got != "bullseye bookworm trixie forky" {
		t.Errorf("suites: %s", got)
	}
	if got := strings.Join(Arches(), " "); got != "arm64 amd64" {
		t.Errorf("architectures: %s", got)
	}
	Arches()[0] = "m68k" // a copy
	if err := checkArch("m68k"); err == nil {
		t.Error("m68k is supported now")
	}
}
