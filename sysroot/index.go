package sysroot

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"emurace/internal/files"
)

// Index says which package of a Debian suite has which program or library: those lines of
// the archive's list of contents that are about files that a process may need to begin. See
// https://wiki.debian.org/DebianRepository/Format#A.22Contents.22_indices.
type Index struct {
	arch  string
	lines []byte // path and packages with commas between them, a file a line
}

// Owner is a package that has a file.
type Owner struct {
	Package string
	Path    string // of the file, from the root on
}

// indexHeader is the first line of an index in the cache.
const indexHeader = "emurace index 1\n"

// Bounds, far above those of the archive: of a list of contents, some 200 MB for each of the
// architectures, of an index, some 8 MB, and of a line.
const (
	maxContents = 4 << 30
	maxIndex    = 128 << 20
	maxLine     = 64 << 10
)

// IndexPath is where the cache has the index of a suite, there or not; "" for a sysroot that
// is not Debian's.
func (c *Cache) IndexPath(spec Spec, arch string) string {
	if spec.Kind != Debian || checkArch(arch) != nil {
		return ""
	}
	return filepath.Join(c.dir, "index", entryName(spec.Suite, arch))
}

// Index reads the index that FetchIndex has put into the cache. It is an fs.ErrNotExist where
// there is none.
func (c *Cache) Index(spec Spec, arch string) (*Index, error) {
	name := c.IndexPath(spec, arch)
	if name == "" {
		return nil, fmt.Errorf("index of %s: %w", spec, fs.ErrNotExist)
	}
	data, err := files.Read(name, maxIndex)
	if err != nil {
		return nil, fmt.Errorf("index %s: %w", name, err)
	}
	lines, ok := bytes.CutPrefix(data, []byte(indexHeader))
	if !ok {
		return nil, fmt.Errorf("index %s: %w: it is none, or of another version", name, fs.ErrNotExist)
	}
	return &Index{arch, lines}, nil
}

// FetchIndex has the machine's apt fetch the list of contents of a suite, with its signature
// checks as in Pull, some ten MB, and keeps of it what is needed. The request's packages are
// not looked at.
func (c *Cache) FetchIndex(ctx context.Context, req PullRequest) (x *Index, err error) {
	if _, err := req.check(); err != nil {
		return nil, err
	}
	if err := checkCachePath(c.dir); err != nil {
		return nil, err
	}
	if req.Progress == nil {
		req.Progress = func(string) {}
	}
	unlock, err := c.lockStore(ctx, func() { req.Progress("waiting for another pull to end") })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := c.removeLeftovers(); err != nil {
		return nil, cacheError(err)
	}
	work, err := os.MkdirTemp(c.store(), tmpPrefix)
	if err != nil {
		return nil, cacheError(err)
	}
	defer func() { err = errors.Join(err, removeTree(work)) }()
	from, err := chooseArchive(aptEtc, req.Mirror, req.Keyring)
	if err != nil {
		return nil, err
	}
	apt, err := newContentsApt(filepath.Join(work, "apt"), from, req.Suite, req.Arch)
	if err != nil {
		return nil, err
	}
	req.Progress(fmt.Sprintf("reading which files the packages of debian:%s for %s have", req.Suite, req.Arch))
	if err := apt.update(ctx); err != nil {
		return nil, req.fetchError(ctx, err)
	}
	lines, err := apt.contents()
	if err != nil {
		return nil, req.fetchError(ctx, err)
	}
	spec := Spec{Kind: Debian, Suite: req.Suite}
	name := c.IndexPath(spec, req.Arch)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, cacheError(err)
	}
	if err := files.Save(name, func(f *os.File) error {
		_, err := io.Copy(f, io.MultiReader(strings.NewReader(indexHeader), bytes.NewReader(lines)))
		return err
	}); err != nil {
		return nil, cacheError(err)
	}
	return &Index{req.Arch, lines}, nil
}

// contents is what there is to keep of the lists that apt has fetched.
func (a *apt) contents() ([]byte, error) {
	names, err := filepath.Glob(filepath.Join(a.dir, "state", "lists", "*_Contents-"+a.arch+"*"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("the archive has no list of contents for %s", a.arch)
	}
	var kept bytes.Buffer
	for _, name := range names {
		if err := readContents(name, &kept); err != nil {
			return nil, err
		}
	}
	return kept.Bytes(), nil
}

func readContents(name string, kept *bytes.Buffer) (err error) {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it is only read
	var r io.Reader = f
	if filepath.Ext(name) == ".gz" {
		if r, err = gzip.NewReader(f); err != nil {
			return fmt.Errorf("list of contents: %w", err)
		}
	}
	return condense(r, kept)
}

// condense takes from a list of contents the lines that are kept, as they are kept.
func condense(r io.Reader, kept *bytes.Buffer) error {
	limited := &io.LimitedReader{R: r, N: maxContents}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), " \t\r")
		i := strings.LastIndexAny(line, " \t")
		if i < 0 {
			continue
		}
		at := strings.TrimPrefix(strings.TrimRight(line[:i], " \t"), "./")
		if !needed(at) {
			continue
		}
		var owners []string
		for _, owner := range strings.Split(line[i+1:], ",") {
			if name := path.Base(owner); checkPackageName(name) == nil { // behind its section
				owners = append(owners, name)
			}
		}
		if len(owners) > 0 {
			fmt.Fprintf(kept, "%s %s\n", at, strings.Join(owners, ","))
		}
		if kept.Len() > maxIndex-len(indexHeader) {
			return errors.New("list of contents: it has more programs and libraries than an archive can have")
		}
	}
	if limited.N == 0 {
		return fmt.Errorf("list of contents: more than %d bytes", int64(maxContents))
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("list of contents: %w", err)
	}
	return nil
}

// programDirs are where programs are, without usr/ in front.
var programDirs = []string{"bin", "sbin", "games", "local/bin"}

// needed tells whether a file of a package may be what a process needs to begin: a program,
// a dynamic linker or a library.
func needed(at string) bool {
	if strings.ContainsAny(at, " \t") {
		return false
	}
	dir, base := path.Dir(merged(at)), path.Base(at)
	return slices.Contains(programDirs, dir) || strings.HasPrefix(dir, "lib") && (strings.HasSuffix(base, ".so") || strings.Contains(base, ".so."))
}

// merged is a path of a package without the usr/ that newer packages have in front.
func merged(at string) string { return strings.TrimPrefix(at, "usr/") }

// maxOwners bounds what Owners lists.
const maxOwners = 10

// Owners lists the packages that have a file: a path from the root on, or the name of a
// library or program. Those come first that have it where the dynamic linker or a shell
// looks for it, and only these where there are any.
func (x *Index) Owners(name string) []Owner {
	whole := path.IsAbs(name)
	if whole {
		name = merged(strings.TrimPrefix(path.Clean(name), "/"))
	}
	if name == "" || !whole && strings.Contains(name, "/") {
		return nil
	}
	var first, others []Owner
	for line := range bytes.Lines(x.lines) {
		at, owners, _ := bytes.Cut(bytes.TrimRight(line, "\n"), []byte(" "))
		if !bytes.HasSuffix(at, []byte(name)) {
			continue
		}
		file := string(at)
		if whole && merged(file) != name || !whole && path.Base(file) != name {
			continue
		}
		list := &others
		if whole || x.searched(path.Dir(merged(file))) {
			list = &first
		}
		for _, owner := range strings.Split(string(owners), ",") {
			if len(*list) < maxOwners && checkPackageName(owner) == nil {
				*list = append(*list, Owner{owner, "/" + file})
			}
		}
	}
	if len(first) > 0 {
		return first
	}
	return others
}

// searched tells whether a folder is one in which libraries and programs are looked for.
func (x *Index) searched(dir string) bool {
	return slices.Contains(programDirs, dir) || dir == "lib" || dir == "lib64" || dir == "lib/"+abis[x.arch].triplet
}
