package sysroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"emurace/internal/files"
)

// aptSource is one archive of an apt sources file: what sources.list(5) calls a
// line of the one-line format, or a stanza of the deb822 format.
type aptSource struct {
	types      []string // "deb", "deb-src"
	uris       []string
	suites     []string
	components []string
	// signedBy is the value of Signed-By: paths or fingerprints in one line, or
	// a whole key in several, each further line starting with a space as deb822
	// wants it. "" leaves the choice of keys to apt.
	signedBy string
	enabled  bool
}

// sourcesLimit bounds what is read of one sources file, in bytes.
const sourcesLimit = 1 << 20

// machineSources reads the apt sources below etc, "/etc/apt" on a real
// machine: sources.list and every .list and .sources file of sources.list.d, in
// apt's order. Files that are not there or may not be read count as empty: an
// ordinary user may well be denied one that holds a password.
func machineSources(etc string) ([]aptSource, error) {
	names := []string{filepath.Join(etc, "sources.list")}
	entries, err := os.ReadDir(filepath.Join(etc, "sources.list.d"))
	if err != nil && !unreadable(err) {
		return nil, fmt.Errorf("apt sources: %w", err)
	}
	for _, entry := range entries {
		if ext := filepath.Ext(entry.Name()); ext == ".list" || ext == ".sources" {
			names = append(names, filepath.Join(etc, "sources.list.d", entry.Name()))
		}
	}
	var all []aptSource
	for _, name := range names {
		text, err := readSources(name)
		if unreadable(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("apt sources: %w", err)
		}
		if filepath.Ext(name) == ".sources" {
			all = append(all, parseDeb822(text)...)
		} else {
			all = append(all, parseOneLine(text)...)
		}
	}
	return all, nil
}

func unreadable(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

func readSources(name string) (string, error) {
	data, err := files.Read(name, sourcesLimit)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return string(data), nil
}

// parseOneLine reads the one-line format of sources.list(5):
//
//	deb [option=value ...] URI suite component...
//
// Lines that are not of that shape are left out: apt itself has the last word
// on its own files, and all that is wanted of them is one usable archive.
func parseOneLine(text string) []aptSource {
	var all []aptSource
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		kind, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		if kind != "deb" && kind != "deb-src" {
			continue
		}
		s := aptSource{types: []string{kind}, enabled: true}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			options, after, closed := strings.Cut(rest[1:], "]")
			if !closed {
				continue
			}
			for _, option := range strings.Fields(options) {
				if key, value, _ := strings.Cut(option, "="); strings.EqualFold(key, "signed-by") {
					// In this format a comma separates several of them.
					s.signedBy = strings.Join(strings.FieldsFunc(value, func(r rune) bool { return r == ',' }), " ")
				}
			}
			rest = after
		}
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			continue
		}
		s.uris, s.suites, s.components = fields[:1], fields[1:2], fields[2:]
		all = append(all, s)
	}
	return all
}

// parseDeb822 reads the deb822 format of sources.list(5): stanzas of
// `Field: value` lines set apart by empty lines, where a line that starts with
// a space or tab continues the field above it and one that starts with # is a
// comment. Stanzas that lack a type, URI or suite are left out.
func parseDeb822(text string) []aptSource {
	var all []aptSource
	fields := map[string]string{}
	last := ""
	flush := func() {
		s := aptSource{
			types:      strings.Fields(fields["types"]),
			uris:       strings.Fields(fields["uris"]),
			suites:     strings.Fields(fields["suites"]),
			components: strings.Fields(fields["components"]),
			signedBy:   fields["signed-by"],
			enabled:    !slices.Contains([]string{"no", "false", "without", "off", "disable"}, strings.ToLower(strings.TrimSpace(fields["enabled"]))),
		}
		if len(s.types) > 0 && len(s.uris) > 0 && len(s.suites) > 0 {
			all = append(all, s)
		}
		fields, last = map[string]string{}, ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case line == "":
			flush()
		case line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				fields[last] += "\n " + strings.TrimLeft(line, " \t")
			}
		default:
			key, value, found := strings.Cut(line, ":")
			last = ""
			if found {
				last = strings.ToLower(strings.TrimSpace(key))
				fields[last] = strings.TrimSpace(value)
			}
		}
	}
	flush()
	return all
}

// debianArchive chooses the source that is the Debian archive itself: an
// enabled binary source with component main whose suites are Debian's. Other
// vendors name their suites after Debian's too, so among several the one that
// looks most like the archive wins, the first one on a tie.
func debianArchive(sources []aptSource) (aptSource, bool) {
	best, bestScore := aptSource{}, -1
	for _, s := range sources {
		if !s.enabled || !slices.Contains(s.types, "deb") || !slices.Contains(s.components, "main") {
			continue
		}
		uris := slices.DeleteFunc(slices.Clone(s.uris), func(uri string) bool {
			return strings.HasPrefix(uri, "cdrom:") // needs a disc in a drive
		})
		if len(uris) == 0 || !slices.ContainsFunc(s.suites, isDebianSuite) {
			continue
		}
		s.uris = uris
		score := 0
		if strings.Contains(s.signedBy, "/debian-archive-") {
			score += 2
		}
		if strings.HasSuffix(strings.TrimRight(uris[0], "/"), "/debian") {
			score++
		}
		if score > bestScore {
			best, bestScore = s, score
		}
	}
	return best, bestScore >= 0
}

// isDebianSuite tells whether a suite is one of the Debian archive's own, by
// code name or by role. "bookworm-security" is not: it is another archive.
func isDebianSuite(name string) bool {
	if _, known := findSuite(name); known {
		return true
	}
	return slices.Contains([]string{
		"oldoldstable", "oldstable", "stable", "testing", "unstable", "sid", "duke",
	}, name)
}
