package sysroot

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"
)

func TestParseOneLine(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []aptSource
	}{
		{"plain", "deb http://a.example/debian bookworm main contrib\n", []aptSource{
			{types: []string{"deb"}, uris: []string{"http://a.example/debian"}, suites: []string{"bookworm"}, components: []string{"main", "contrib"}, enabled: true}}},
		{"options", "deb [ arch=amd64,arm64 Signed-By=/k/a.gpg,/k/b.asc ]\thttp://a.example/d  sid   main", []aptSource{
			{types: []string{"deb"}, uris: []string{"http://a.example/d"}, suites: []string{"sid"}, components: []string{"main"}, signedBy: "/k/a.gpg /k/b.asc", enabled: true}}},
		{"flat", "deb-src file:/srv ./", []aptSource{
			{types: []string{"deb-src"}, uris: []string{"file:/srv"}, suites: []string{"./"}, components: []string{}, enabled: true}}},
		{"comments", "# deb http://a.example/x sid main\n\n  deb http://a.example/y sid main # and more\n", []aptSource{
			{types: []string{"deb"}, uris: []string{"http://a.example/y"}, suites: []string{"sid"}, components: []string{"main"}, enabled: true}}},
		{"trusted is dropped", "deb [trusted=yes] http://a.example/y sid main", []aptSource{
			{types: []string{"deb"}, uris: []string{"http://a.example/y"}, suites: []string{"sid"}, components: []string{"main"}, enabled: true}}},
		{"not closed", "deb [arch=amd64 http://a.example/y sid main", nil},
		{"too short", "deb http://a.example/y\ndeb\n", nil},
		{"another word", "rpm http://a.example/y sid main\ndebian x y z", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := parseOneLine(test.text); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func TestParseDeb822(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []aptSource
	}{
		{"as Debian ships it", "Types: deb deb-src\nURIs: http://a.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k/a.gpg\n", []aptSource{
			{types: []string{"deb", "deb-src"}, uris: []string{"http://a.example/debian"}, suites: []string{"bookworm", "bookworm-updates"}, components: []string{"main"}, signedBy: "/k/a.gpg", enabled: true}}},
		{"two stanzas", "types: deb\nuris: a:/\nsuites: x\n\n\n \nTYPES: deb\nURIS: b:/\nSUITES: y\nEnabled: No\n", []aptSource{
			{types: []string{"deb"}, uris: []string{"a:/"}, suites: []string{"x"}, components: []string{}, enabled: true},
			{types: []string{"deb"}, uris: []string{"b:/"}, suites: []string{"y"}, components: []string{}, enabled: false}}},
		{"a key in it, and values in several lines", "Types: deb\nURIs:\n a:/\n\tb:/\nSuites: x\n# a comment\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQIN\n -----END PGP PUBLIC KEY BLOCK-----\n", []aptSource{
			{types: []string{"deb"}, uris: []string{"a:/", "b:/"}, suites: []string{"x"}, components: []string{}, enabled: true,
				signedBy: "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQIN\n -----END PGP PUBLIC KEY BLOCK-----"}}},
		{"windows line ends", "Types: deb\r\nURIs: a:/\r\nSuites: x\r\n", []aptSource{
			{types: []string{"deb"}, uris: []string{"a:/"}, suites: []string{"x"}, components: []string{}, enabled: true}}},
		{"no URI", "Types: deb\nSuites: x\n", nil},
		{"no stanza", " continued\nno field\n: no name\n", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := parseDeb822(test.text); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// source is a binary source with component main.
func source(uri, suite, signedBy string) aptSource {
	return aptSource{types: []string{"deb"}, uris: []string{uri}, suites: []string{suite}, components: []string{"main"}, signedBy: signedBy, enabled: true}
}

func TestDebianArchive(t *testing.T) {
	disabled := source("http://a.example/debian", "sid", "")
	disabled.enabled = false
	sources := source("http://a.example/debian", "sid", "")
	sources.types = []string{"deb-src"}
	contrib := source("http://a.example/debian", "sid", "")
	contrib.components = []string{"contrib"}
	for _, test := range []struct {
		name    string
		sources []aptSource
		want    string // the URI chosen, "" for none
	}{
		{"nothing", nil, ""},
		{"no binary source of main that is enabled", []aptSource{disabled, sources, contrib}, ""},
		{"other suites", []aptSource{source("http://a.example/x", "noble", ""), source("http://a.example/debian-security", "bookworm-security", "")}, ""},
		{"a disc", []aptSource{source("cdrom:[Debian]/", "bookworm", "")}, ""},
		{"the only one", []aptSource{source("http://a.example/x", "stable", "")}, "http://a.example/x"},
		{"the first of equals", []aptSource{source("http://a.example/debian/", "sid", ""), source("http://b.example/debian", "sid", "")}, "http://a.example/debian/"},
		{"not a vendor's with the same suite", []aptSource{source("http://a.example/php", "bookworm", "/k/php.gpg"), source("http://b.example/debian", "bookworm", "")}, "http://b.example/debian"},
		{"the one with Debian's keys", []aptSource{source("http://a.example/debian", "bookworm", "/k/php.gpg"), source("http://b.example/copy", "bookworm", "/k/debian-archive-keyring.gpg")}, "http://b.example/copy"},
	} {
		got, found := debianArchive(test.sources)
		if found != (test.want != "") || found && got.uris[0] != test.want {
			t.Errorf("%s: %+v, %t; want %s", test.name, got, found, test.want)
		}
	}
}

func TestMachineSources(t *testing.T) {
	etc := t.TempDir()
	if got, err := machineSources(filepath.Join(etc, "none")); err != nil || got != nil {
		t.Errorf("no folder: %+v, %v", got, err)
	}
	write(t, filepath.Join(etc, "sources.list"), []byte("deb a:/1 sid main\n"))
	write(t, filepath.Join(etc, "sources.list.d/b.sources"), []byte("Types: deb\nURIs: a:/3\nSuites: sid\n"))
	write(t, filepath.Join(etc, "sources.list.d/a.list"), []byte("deb a:/2 sid main\n"))
	write(t, filepath.Join(etc, "sources.list.d/c.list.disabled"), []byte("deb a:/4 sid main\n"))
	if err := os.Symlink("gone", filepath.Join(etc, "sources.list.d/d.list")); err != nil {
		t.Fatal(err)
	}
	got, err := machineSources(etc)
	if err != nil {
		t.Fatal(err)
	}
	var uris []string
	for _, s := range got {
		uris = append(uris, s.uris...)
	}
	if strings.Join(uris, " ") != "a:/1 a:/2 a:/3" {
		t.Errorf("URIs: %s", uris)
	}

	write(t, filepath.Join(etc, "sources.list.d/e.list"), make([]byte, sourcesLimit+1))
	if _, err := machineSources(etc); err == nil || !strings.Contains(err.Error(), "e.list: larger than") {
		t.Errorf("a file without end: %v", err)
	}
	if err := os.Remove(filepath.Join(etc, "sources.list.d/e.list")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(etc, "sources.list.d/f.list"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := machineSources(etc); err == nil || !strings.Contains(err.Error(), "f.list: is a directory") {
		t.Errorf("a folder: %v", err)
	}
}

// FuzzSources: whatever a machine's sources say, what Pull then writes into a
// sources file of its own is one stanza that means just the archive chosen.
func FuzzSources(f *testing.F) {
	f.Add("deb [signed-by=/k/debian-archive-keyring.gpg] http://a.example/debian bookworm main\n", false)
	f.Add("Types: deb\nURIs: a:/\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN-----\n .\n x\n", true)
	f.Add("Types: deb\nURIs: a:/\n b:/\nSuites: sid\nComponents: main\nSigned-By: /a\n\n Trusted: yes", true)
	f.Fuzz(func(t *testing.T, text string, deb822 bool) {
		parse := parseOneLine
		if deb822 {
			parse = parseDeb822
		}
		chosen, found := debianArchive(parse(text))
		if !found {
			return
		}
		for _, uri := range chosen.uris {
			if uri == "" || strings.ContainsFunc(uri, unicode.IsSpace) {
				t.Fatalf("URI %q", uri)
			}
		}
		a := archive{uris: chosen.uris, signedBy: chosen.signedBy}
		again := parseDeb822(a.sourcesFile("trixie", "arm64", "Packages"))
		want := []aptSource{{
			types: []string{"deb"}, uris: chosen.uris, suites: []string{"trixie"}, components: []string{"main"},
			signedBy: chosen.signedBy, enabled: true,
		}}
		if !reflect.DeepEqual(again, want) {
			t.Fatalf("%q\ngives %+v\nwant  %+v", a.sourcesFile("trixie", "arm64", "Packages"), again, want)
		}
	})
}
