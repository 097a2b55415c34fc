package sysroot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// sourceName is the folder inside an entry with the source of its glibc, as Debian builds it:
// debug files name its files by their paths from there on.
const sourceName = "source"

// glibcSource is the source package of libc6.
const glibcSource = "glibc"

// Source is the source package that lies beside a sysroot.
type Source struct {
	Version string `json:"version"` // Debian's
	SHA256  string `json:"sha256"`  // of the .dsc file, which has those of the others, in hex
}

// binaryOnly is what a version has behind it when a package was built anew from the same source
// (Debian's binNMU).
var binaryOnly = regexp.MustCompile(`\+b[0-9]+$`)

// SourceDir is the folder with the source of a pulled sysroot's glibc, by the folder that Dir has
// returned; "" without one.
func SourceDir(dir string) string {
	source := filepath.Join(filepath.Dir(dir), sourceName)
	if info, err := os.Stat(source); filepath.Base(dir) != rootName || err != nil || !info.IsDir() {
		return ""
	}
	return source
}

// addSource fetches the source of the libc6 that the manifest names, and puts what can be read
// beside code into the entry.
func (m *manifest) addSource(ctx context.Context, req *PullRequest, work string) error {
	i := slices.IndexFunc(m.Packages, func(p Package) bool { return p.Name == "libc6" })
	if i < 0 {
		return fmt.Errorf("%s: packages: libc6 is not among them", manifestName)
	}
	version := binaryOnly.ReplaceAllString(m.Packages[i].Version, "")
	if _, err := exec.LookPath("dpkg-source"); err != nil {
		return &Error{what: "dpkg-source", why: "not found; it unpacks sources", hint: "apt-get install dpkg-dev, or leave --source out"}
	}
	from, err := chooseArchive(aptEtc, req.Mirror, req.Keyring)
	if err != nil {
		return err
	}
	apt, err := newSourceApt(filepath.Join(work, "apt-source"), from, req.Suite, req.Arch)
	if err != nil {
		return err
	}
	req.Progress(fmt.Sprintf("reading the list of sources of debian:%s", req.Suite))
	if err := apt.update(ctx); err != nil {
		return req.fetchError(ctx, err)
	}
	req.Progress(fmt.Sprintf("downloading the source %s %s", glibcSource, version))
	// That of another version would have other lines.
	if err := apt.run(ctx, "source", "--download-only", "--only-source", glibcSource+"="+version); err != nil {
		if ctx.Err() == nil && strings.Contains(err.Error(), "Can not find version") || strings.Contains(err.Error(), "Unable to find a source package") {
			return &Error{
				what: fmt.Sprintf("source %s %s", glibcSource, version), why: "no more in the archive, which has a newer one", cause: err,
				hint: fmt.Sprintf("emurace sysroot remove debian:%s --arch %s, and pull it anew with its source", req.Suite, req.Arch),
			}
		}
		return req.fetchError(ctx, err)
	}
	found, err := filepath.Glob(filepath.Join(apt.dir, "debs", glibcSource+"_*.dsc"))
	if err != nil || len(found) != 1 {
		return errors.Join(err, fmt.Errorf("source %s: apt has fetched %d .dsc files", glibcSource, len(found)))
	}
	m.Source = &Source{Version: version}
	if m.Source.SHA256, err = hashFile(found[0]); err != nil {
		return err
	}
	req.Progress("unpacking the source")
	// Its signature is that of the archive's lists, which apt has checked; the hashes of what the
	// .dsc file names dpkg-source checks itself.
	whole := filepath.Join(work, "whole")
	if _, err := command(ctx, work, "dpkg-source", "--no-check", "--extract", found[0], whole); err != nil {
		return err
	}
	kept, err := keepSource(ctx, whole, filepath.Join(work, entryWork, sourceName), req.Arch)
	if err == nil && kept == 0 {
		err = fmt.Errorf("source %s: nothing of it can be read beside code", glibcSource)
	}
	return err
}

// sourceSuffixes are those of files that code is made of, and in which it has lines.
var sourceSuffixes = []string{".c", ".h", ".S", ".s", ".inc", ".def", ".cc"}

// notRun are the folders of the source, from its root on, that no library is made of.
var notRun = []string{"debian", ".pc", "manual", "po", "localedata", "benchtests", "conform", "ChangeLog.old"}

// otherMachines are the folders below sysdeps, and below folders there, that are for what no
// sysroot of ours is.
var otherMachines = []string{
	"alpha", "arc", "arceb", "arm", "csky", "hppa", "i386", "i486", "i586", "i686", "ia64", "loongarch", "m68k", "microblaze", "mips", "nios2",
	"or1k", "powerpc", "riscv", "s390", "sh", "sparc", "hurd", "mach",
}

// archFolders are such folders that are for one of ours.
var archFolders = map[string][]string{"arm64": {"aarch64"}, "amd64": {"x86_64", "x86"}}

// keepSource moves from an unpacked source what a sysroot's debug files name, and returns how
// many files that are. Links are left out: none of these files is one.
func keepSource(ctx context.Context, from, to, arch string) (kept int, err error) {
	err = filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if unneeded(rel, arch) {
				return fs.SkipDir
			}
			return nil
		}
		name := entry.Name()
		if !entry.Type().IsRegular() || strings.HasPrefix(name, "tst-") || strings.HasPrefix(name, "test-") || !slices.Contains(sourceSuffixes, filepath.Ext(name)) {
			return nil
		}
		if err := os.MkdirAll(filepath.Join(to, filepath.Dir(rel)), 0o755); err != nil {
			return err
		}
		kept++
		return os.Rename(path, filepath.Join(to, rel))
	})
	return kept, err
}

// unneeded tells whether a folder of the source is for another machine, or for none.
func unneeded(rel, arch string) bool {
	if slices.Contains(notRun, rel) {
		return true
	}
	if !strings.HasPrefix(rel, "sysdeps"+string(filepath.Separator)) {
		return false
	}
	base := filepath.Base(rel)
	for other, folders := range archFolders {
		if other != arch && slices.Contains(folders, base) {
			return true
		}
	}
	return slices.Contains(otherMachines, base)
}
