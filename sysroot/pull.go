package sysroot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// entryWork is the name of the entry inside the folder that a pull works in.
const entryWork = "entry"

// aptEtc is where the machine's own apt sources are.
const aptEtc = "/etc/apt"

// PullRequest says which sysroot to make.
type PullRequest struct {
	Suite string // one of Suites
	Arch  string // one of Arches
	Libc  Libc   // Musl for the package musl too, and its entry as the result
	// Packages are Debian packages to have beside libc6 and libc6-dbg. What
	// they depend on does not come with them: name it too. Of several names with commas between them, as a
	// package has that was given another one, the first that the suite has is taken.
	Packages []string
	// Source has glibc's source lie beside the sysroot, see SourceDir.
	Source bool
	// Mirror is the URL of a Debian archive, the folder with dists/ and pool/;
	// "" takes what the machine's apt sources name.
	Mirror string
	// Keyring is the file of the keys that must have signed the archive; ""
	// takes what the machine's apt sources name, else Debian's own.
	Keyring string
	// Progress, if not nil, is called with a line for each step.
	Progress func(string)
}

// check refuses what no pull could do, and completes the request.
func (r *PullRequest) check() (suite, error) {
	s, known := findSuite(r.Suite)
	if !known {
		return suite{}, &Error{
			what: fmt.Sprintf("suite %q", r.Suite),
			why:  "not supported",
			hint: "use one of " + strings.Join(Suites(), ", "),
			kind: ErrInvalid,
		}
	}
	if err := checkArch(r.Arch); err != nil {
		return suite{}, err
	}
	for _, names := range r.Packages {
		for _, name := range strings.Split(names, ",") {
			if err := checkPackageName(name); err != nil {
				return suite{}, err
			}
		}
	}
	if r.Libc == Musl && !slices.Contains(r.Packages, muslPackage) {
		r.Packages = append(slices.Clone(r.Packages), muslPackage)
	}
	return s, nil
}

// entryOf is the entry that a request has made, or found.
func (c *Cache) entryOf(req *PullRequest) (Entry, error) {
	e, err := c.entry(req.Suite, req.Arch)
	if err != nil || req.Libc != Musl {
		return e, err
	}
	musl, ok := c.muslEntry(e)
	if !ok {
		return Entry{}, fmt.Errorf("package musl: no ld-musl for %s is in it", req.Arch)
	}
	return musl, nil
}

// Pull makes a sysroot of the cache: libc6, its debug files and the packages
// named, fetched by the machine's apt with its signature checks. An entry that
// has all of them is left as it is, without a look at the network. One that
// lacks some gets these added and keeps the rest, so that its libc stays the
// one that was tested; see Remove.
//
// What is made is a new generation of the entry, which takes the place of the one before in
// one step at the end; who uses that keeps it, and it is removed when nobody does. When ctx
// ends or the process dies before, nothing of the pull is to be seen, and the next Pull
// removes what it left.
func (c *Cache) Pull(ctx context.Context, req PullRequest) (entry Entry, err error) {
	s, err := req.check()
	if err != nil {
		return Entry{}, err
	}
	if err := checkCachePath(c.dir); err != nil {
		return Entry{}, err
	}
	if req.Progress == nil {
		req.Progress = func(string) {}
	}
	name := entryName(req.Suite, req.Arch)
	if _, done := c.pulled(&req); done {
		c.sweepIfFree(name)
		return c.entryOf(&req)
	}

	unlock, err := c.lockStore(ctx, func() { req.Progress("waiting for another pull to end") })
	if err != nil {
		return Entry{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := c.removeLeftovers(); err != nil {
		return Entry{}, cacheError(err)
	}
	old, done := c.pulled(&req) // the pull that was waited for may have done it
	if !done {
		if err := c.pull(ctx, &req, s, old); err != nil {
			if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
				err = cacheError(err)
			}
			return Entry{}, err
		}
		c.forget(name)
	}
	// What cannot be removed now is tried again by the next pull.
	_, _ = c.sweep(name)
	return c.entryOf(&req)
}

// sweepIfFree removes old generations, if nobody pulls: who only looks whether all is there
// waits for nobody.
func (c *Cache) sweepIfFree(name string) {
	if c.settled(name) {
		return
	}
	unlock, ok, err := c.tryLock()
	if err != nil || !ok {
		return
	}
	// The pull has what it wants; what stays is tried again by the next one.
	_, _ = c.sweep(name)
	_ = unlock()
}

// pulled returns the manifest of the entry, nil if there is none that is valid,
// and whether it has all that is asked for.
func (c *Cache) pulled(req *PullRequest) (*manifest, bool) {
	m, err := readManifest(c.entryPath(req.Suite, req.Arch), req.Suite, req.Arch)
	if err != nil {
		return nil, false // Whatever is wrong with it, it is to be made anew.
	}
	return m, m.has(req.Packages) && (!req.Source || m.Source != nil)
}

// pull does the work of Pull under the lock. old is the manifest of the entry
// to extend, or nil.
func (c *Cache) pull(ctx context.Context, req *PullRequest, s suite, old *manifest) (err error) {
	work, err := os.MkdirTemp(c.store(), tmpPrefix)
	if err != nil {
		return cacheError(err)
	}
	defer func() { err = errors.Join(err, removeTree(work)) }()

	wanted := slices.Concat(basePackages, req.Packages)
	if old != nil {
		wanted = slices.DeleteFunc(wanted, func(name string) bool { return old.has([]string{name}) })
	}
	slices.Sort(wanted)
	var debs []deb
	if len(wanted) > 0 { // else it is the source alone that is missing
		if debs, err = fetch(ctx, req, work, slices.Compact(wanted)); err != nil {
			return err
		}
	}

	m := manifest{Format: manifestFormat, Spec: "debian:" + req.Suite, Arch: req.Arch}
	root := filepath.Join(work, entryWork, rootName)
	if err := os.Mkdir(filepath.Dir(root), 0o755); err != nil {
		return err
	}
	if old == nil {
		err = makeRoot(root, s)
	} else {
		m.Packages, m.Source = old.Packages, old.Source
		before := c.entryPath(req.Suite, req.Arch)
		err = linkTree(ctx, filepath.Join(before, rootName), root)
		if err == nil && m.Source != nil {
			err = linkTree(ctx, filepath.Join(before, sourceName), filepath.Join(work, entryWork, sourceName))
		}
	}
	if err != nil {
		return err
	}
	for _, d := range debs {
		req.Progress(fmt.Sprintf("unpacking %s %s", d.Name, d.Version))
		if err := unpack(ctx, d.path, root); err != nil {
			return err
		}
		m.Packages = append(m.Packages, d.Package)
	}
	if err := relativeLinks(root); err != nil {
		return err
	}
	if err := m.complete(root); err != nil {
		return err
	}
	if req.Source && m.Source == nil {
		if err := m.addSource(ctx, req, work); err != nil {
			return err
		}
	}
	data, err := m.encode()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, entryWork, manifestName), data, 0o644); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.install(work, entryName(req.Suite, req.Arch))
}

// fetch has apt download the packages named into the folder work.
func fetch(ctx context.Context, req *PullRequest, work string, names []string) ([]deb, error) {
	from, err := chooseArchive(aptEtc, req.Mirror, req.Keyring)
	if err != nil {
		return nil, err
	}
	apt, err := newApt(filepath.Join(work, "apt"), from, req.Suite, req.Arch)
	if err != nil {
		return nil, err
	}
	req.Progress(fmt.Sprintf("reading the package lists of debian:%s for %s", req.Suite, req.Arch))
	if err := apt.update(ctx); err != nil {
		return nil, req.fetchError(ctx, err)
	}
	for i, name := range names {
		if names[i], err = apt.choose(ctx, name); err != nil {
			return nil, req.fetchError(ctx, err)
		}
	}
	req.Progress("downloading " + strings.Join(names, ", "))
	debs, err := apt.download(ctx, names)
	if err != nil {
		return nil, req.fetchError(ctx, err)
	}
	return debs, nil
}

// fetchError names the request that a failure of apt belongs to, unless the
// failure already says what to do.
func (r *PullRequest) fetchError(ctx context.Context, err error) error {
	var known *Error
	if ctx.Err() != nil || errors.As(err, &known) {
		return err
	}
	return &Error{
		what:  fmt.Sprintf("debian:%s for %s", r.Suite, r.Arch),
		cause: err,
		hint:  "check the network and apt's sources, give another archive with --mirror URL, or use --sysroot host or --sysroot DIR",
	}
}

// complete fills in what the manifest says of the libc, and sorts the packages.
func (m *manifest) complete(root string) error {
	slices.SortFunc(m.Packages, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	i := slices.IndexFunc(m.Packages, func(p Package) bool { return p.Name == "libc6" })
	if i < 0 {
		return fmt.Errorf("%s: packages: libc6 is not among them", manifestName)
	}
	var err error
	if m.Libc, err = upstreamVersion(m.Packages[i].Version); err != nil {
		return fmt.Errorf("package libc6: %w", err)
	}
	libc, err := findLibc("package libc6", root, m.Arch, "")
	if err != nil {
		return err
	}
	m.BuildID, err = buildIDOf(root, libc)
	return err
}
