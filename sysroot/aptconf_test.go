package sysroot

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestChooseArchive(t *testing.T) {
	dir := t.TempDir()
	key, other := filepath.Join(dir, "key.gpg"), filepath.Join(dir, "other.gpg")
	write(t, key, nil)
	write(t, other, nil)
	// A machine without a choice of keys gets Debian's own, if it has them.
	fallback := ""
	if _, err := os.Stat(debianKeyring); err == nil {
		fallback = debianKeyring
	}
	etc := func(sources string) string {
		etc := t.TempDir()
		write(t, filepath.Join(etc, "sources.list.d/debian.sources"), []byte(sources))
		return etc
	}
	own := etc("Types: deb\nURIs: a:/debian\nSuites: sid\nComponents: main\nSigned-By: " + key + "\n")
	plain := etc("Types: deb\nURIs: a:/debian\nSuites: sid\nComponents: main\n")
	stale := etc("Types: deb\nURIs: a:/debian\nSuites: sid\nComponents: main\nSigned-By: /nonexistent/key.gpg\n")
	inline := etc("Types: deb\nURIs: a:/debian\nSuites: sid\nComponents: main\nSigned-By:\n /not/a/path\n")
	none := etc("")

	for _, test := range []struct {
		name, etc, mirror, keyring string
		uri, signedBy              string
		err                        string
	}{
		{name: "the machine's", etc: own, uri: "a:/debian", signedBy: key},
		{name: "a mirror with the machine's keys", etc: own, mirror: "http://m.example/", uri: "http://m.example/", signedBy: key},
		{name: "other keys", etc: own, keyring: other, uri: "a:/debian", signedBy: other},
		{name: "no keys named", etc: plain, uri: "a:/debian", signedBy: fallback},
		{name: "a mirror alone", etc: none, mirror: "http://m.example/", uri: "http://m.example/", signedBy: fallback},
		{name: "a key in the sources", etc: inline, uri: "a:/debian", signedBy: "\n /not/a/path"},
		{name: "nothing", etc: none, err: "names no Debian archive"},
		{name: "keys that are gone", etc: stale, err: "/nonexistent/key.gpg"},
		{name: "no URL", etc: own, mirror: "m.example", err: "not a URL"},
		{name: "a space", etc: own, mirror: "http://m.example/ [trusted=yes]", err: "not a URL"},
	} {
		got, err := chooseArchive(test.etc, test.mirror, test.keyring)
		if test.err != "" {
			var known *Error
			if !errors.As(err, &known) || known.Hint() == "" || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: %v, want one with a hint and %q", test.name, err, test.err)
			}
			continue
		}
		if err != nil || strings.Join(got.uris, " ") != test.uri || got.signedBy != test.signedBy {
			t.Errorf("%s: %+v, %v; want %s, %q", test.name, got, err, test.uri, test.signedBy)
		}
	}
}

// TestAptConfig asks the machine's own apt what it makes of the configuration,
// on top of one with everything in it that could get in the way.
func TestAptConfig(t *testing.T) {
	dir := t.TempDir()
	hostile := filepath.Join(dir, "hostile.conf")
	write(t, hostile, []byte(`
APT::Update::Post-Invoke { "false"; };
APT::Update::Post-Invoke-Success { "false"; };
DPkg::Post-Invoke { "false"; };
APT::Default-Release "potato";
APT::Architectures { "m68k"; };
APT::Get::AllowUnauthenticated "true";
Acquire::AllowInsecureRepositories "true";
Acquire::Languages { "de"; };
Acquire::http::Proxy "http://proxy.example:3128";
`))
	conf := filepath.Join(dir, "apt.conf")
	write(t, conf, []byte(aptConfig(dir, "arm64", true)))
	cmd := exec.Command("apt-config", "-c", conf, "dump")
	cmd.Env = append(os.Environ(), "APT_CONFIG="+hostile)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	dump := "\n" + string(out)
	for _, want := range []string{
		`APT::Architecture "arm64"`,
		`APT::Architectures:: "arm64"`,
		`APT::Get::AllowUnauthenticated "false"`,
		`Acquire::AllowInsecureRepositories "false"`,
		`Acquire::Languages:: "none"`,
		`Acquire::http::Proxy "http://proxy.example:3128"`, // the system's own stays
		`Dir::State::status "` + dir + `/state/status"`,
		`Dir::Etc::sourceparts "` + dir + `/sources"`,
		`APT::Sandbox::User "root"`,
	} {
		if !strings.Contains(dump, "\n"+want+";\n") {
			t.Errorf("not set: %s", want)
		}
	}
	for _, unwanted := range []string{`"false";` + "\nAPT::Update", "Post-Invoke:: ", "Post-Invoke-Success:: ", "potato", "m68k", `Languages:: "de"`} {
		if strings.Contains(dump, unwanted) {
			t.Errorf("still set: %s", unwanted)
		}
	}
}

func TestCheckCachePath(t *testing.T) {
	for path, ok := range map[string]bool{
		"/home/me/.cache/emurace": true, "/with space/ü": true,
		`/with"quote`: false, "/with;semicolon": false, "/with\nline": false,
	} {
		if err := checkCachePath(path); (err == nil) != ok {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// TestPullIntoAPathWithSpaces: apt takes all its paths from a file of ours.
func TestPullIntoAPathWithSpaces(t *testing.T) {
	m := newMirror(t, "bookworm")
	c, err := Open(filepath.Join(t.TempDir(), "with space", "ü%41"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Pull(t.Context(), m.request()); err != nil {
		t.Error(err)
	}
}
