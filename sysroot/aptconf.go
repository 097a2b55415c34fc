package sysroot

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// archive is where apt fetches from: one or more URIs, and the keys that must
// have signed what is there.
type archive struct {
	uris     []string
	signedBy string // as in aptSource
}

// debianKeyring is where the package debian-archive-keyring has its keys, also
// on distributions that are not Debian.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// chooseArchive decides where to fetch from: mirror when given, else what the
// machine's apt sources below etc name. keyring, when given, replaces the keys
// that would be used.
func chooseArchive(etc, mirror, keyring string) (archive, error) {
	sources, err := machineSources(etc)
	if err != nil {
		return archive{}, err
	}
	own, found := debianArchive(sources)
	if !found && mirror == "" {
		return archive{}, &Error{
			what: "apt sources",
			why:  etc + " names no Debian archive",
			hint: "give one with --mirror URL, or use --sysroot host or --sysroot DIR",
		}
	}
	a := archive{uris: own.uris, signedBy: own.signedBy}
	if mirror != "" {
		if err := checkMirror(mirror); err != nil {
			return archive{}, err
		}
		a.uris = []string{mirror}
	}
	if keyring != "" {
		abs, err := filepath.Abs(keyring)
		if err != nil {
			return archive{}, fmt.Errorf("keyring %s: %w", keyring, err)
		}
		if strings.ContainsFunc(abs, func(r rune) bool { return r == ',' || unicode.IsSpace(r) || unicode.IsControl(r) }) {
			return archive{}, &Error{
				what: fmt.Sprintf("keyring %q", keyring),
				why:  "apt cannot use a path with a space, a comma or a control character",
				hint: "give a copy of it in another place",
				kind: ErrInvalid,
			}
		}
		a.signedBy = abs
	} else if a.signedBy == "" {
		// Without a choice of its own apt would accept any vendor's key that the
		// machine trusts; Debian's own keys alone are better, where they are.
		if _, err := os.Stat(debianKeyring); err == nil {
			a.signedBy = debianKeyring
		}
	}
	return a, checkKeyring(a.signedBy)
}

// checkMirror refuses what is no URI, or would not fit into a sources file.
func checkMirror(mirror string) error {
	u, err := url.Parse(mirror)
	if err != nil || u.Scheme == "" || strings.ContainsFunc(mirror, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return &Error{
			what: fmt.Sprintf("mirror %q", mirror),
			why:  "not a URL",
			hint: "give the URL of the folder that holds dists/ and pool/, as the URIs of apt's sources do",
			kind: ErrInvalid,
		}
	}
	return nil
}

// checkKeyring looks for the key files that a Signed-By value names, because
// apt's own words for a missing one speak of a missing public key. Values that
// are fingerprints or whole keys are left to apt.
func checkKeyring(signedBy string) error {
	if strings.Contains(signedBy, "\n") {
		return nil
	}
	for _, path := range strings.FieldsFunc(signedBy, func(r rune) bool { return r == ' ' || r == ',' }) {
		if !strings.HasPrefix(path, "/") {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return &Error{
				what:  "keyring",
				cause: err,
				hint:  "apt-get install debian-archive-keyring, or name the file with --keyring FILE",
			}
		}
	}
	return nil
}

// contentsTarget is what apt is told to call the lists of what packages have, and
// contentsConfig how it is told of them, as apt-file tells it: apt itself knows none but the
// lists of packages. They stay compressed as the archive has them.
const (
	contentsTarget = "Emurace-Contents"
	contentsConfig = `Acquire::IndexTargets::deb::` + contentsTarget + ` {
	MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)";
	ShortDescription "Contents-$(ARCHITECTURE)";
	Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents";
	KeepCompressed "true";
	KeepCompressedAs "gz";
};
Acquire::PDiffs "false";
Acquire::CompressionTypes::Order:: "gz";
`
)

// sourcesFile returns a deb822 sources file for one suite and architecture.
// Targets and Languages keep apt from fetching more than the lists of one kind.
func (a archive) sourcesFile(suite, arch, target string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n", strings.Join(a.uris, " "), suite)
	fmt.Fprintf(&b, "Architectures: %s\nTargets: %s\nLanguages: none\n", arch, target)
	if a.signedBy != "" {
		fmt.Fprintf(&b, "Signed-By: %s\n", a.signedBy)
	}
	return b.String()
}

// sourcesOf is a sources file for the sources of one suite.
func (a archive) sourcesOf(suite string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nTargets: Sources\nLanguages: none\n", strings.Join(a.uris, " "), suite)
	if a.signedBy != "" {
		fmt.Fprintf(&b, "Signed-By: %s\n", a.signedBy)
	}
	return b.String()
}

// aptConfig returns the configuration file that turns the system's apt into a
// private one for the architecture, with all its state below dir. It is for
// apt's -c option, which is read last: only a file read after the system's own
// can clear the hooks that those set. Proxies, credentials and the like stay as
// the system has them. Signature checks are switched on whatever it says.
func aptConfig(dir, arch string, root bool) string {
	var b strings.Builder
	for _, list := range []string{
		"APT::Architectures", "APT::Default-Release", "APT::Update::Pre-Invoke", "APT::Update::Post-Invoke",
		"APT::Update::Post-Invoke-Success", "DPkg::Pre-Invoke", "DPkg::Post-Invoke", "DPkg::Pre-Install-Pkgs",
		"Acquire::Languages",
	} {
		fmt.Fprintf(&b, "#clear %s;\n", list)
	}
	set := func(key, value string) { fmt.Fprintf(&b, "%s %s;\n", key, aptQuote(value)) }
	set("APT::Architecture", arch)
	set("APT::Architectures::", arch)
	set("Acquire::Languages::", "none")
	set("Dir::State", filepath.Join(dir, "state"))
	set("Dir::State::lists", filepath.Join(dir, "state", "lists"))
	set("Dir::State::status", filepath.Join(dir, "state", "status"))
	set("Dir::Cache", filepath.Join(dir, "cache"))
	set("Dir::Cache::archives", filepath.Join(dir, "cache", "archives"))
	set("Dir::Log", filepath.Join(dir, "log"))
	set("Dir::Etc::sourcelist", "/dev/null")
	set("Dir::Etc::sourceparts", filepath.Join(dir, "sources"))
	set("Dir::Etc::preferences", "/dev/null")
	set("Dir::Etc::preferencesparts", "/dev/null")
	for _, unsafe := range []string{
		"APT::Get::AllowUnauthenticated", "Acquire::AllowInsecureRepositories", "Acquire::AllowWeakRepositories",
		"Acquire::AllowDowngradeToInsecureRepositories",
	} {
		set(unsafe, "false")
	}
	// By default apt-get update calls it a success when a list could not be had.
	set("APT::Update::Error-Mode", "any")
	if root {
		// Root's apt downloads as the user _apt, which may not enter the folders
		// of root's own that the cache lies in.
		set("APT::Sandbox::User", "root")
	}
	return b.String()
}

// aptQuote writes a value as apt.conf(5) reads it. The format has no escapes,
// so checkCachePath keeps quotes and line ends out of paths.
func aptQuote(value string) string { return `"` + value + `"` }

// checkCachePath refuses a cache folder whose path apt.conf or a sources file
// could not hold.
func checkCachePath(path string) error {
	if strings.ContainsFunc(path, func(r rune) bool { return r == '"' || r == ';' || unicode.IsControl(r) }) {
		return &Error{
			what: fmt.Sprintf("cache folder %q", path),
			why:  "apt cannot use a path with a quote, a semicolon or a control character",
			hint: "set EMURACE_CACHE to another folder",
			kind: ErrInvalid,
		}
	}
	return nil
}
