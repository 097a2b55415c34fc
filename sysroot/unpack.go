package sysroot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// makeRoot makes the folder of a sysroot. On a merged-usr suite its links must
// be there before the first package is: the packages' files all go below usr,
// and /lib is only a link that no package of ours brings.
func makeRoot(root string, s suite) error {
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	if !s.mergedUsr {
		return nil
	}
	for _, dir := range []string{"bin", "lib", "lib64", "sbin"} {
		if err := os.MkdirAll(filepath.Join(root, "usr", dir), 0o755); err != nil {
			return err
		}
		if err := os.Symlink("usr/"+dir, filepath.Join(root, dir)); err != nil {
			return err
		}
	}
	return nil
}

// unpack writes a package's files below root. None of its scripts is run.
func unpack(ctx context.Context, file, root string) error {
	_, err := command(ctx, filepath.Dir(root), "dpkg-deb", "--extract", file, root)
	return err
}

// linkTree makes the folder to a copy of the tree from, whose files are hard
// links to the old ones. That is safe because nothing writes to a file of a
// sysroot: dpkg-deb puts a new one in the place of an old one.
func linkTree(ctx context.Context, from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			return os.Link(path, filepath.Join(to, rel))
		}
		return os.Mkdir(filepath.Join(to, rel), 0o755)
	})
}

// relativeLinks rewrites the absolute symbolic links below root so that they
// mean the same file with root as "/", as the packages intend: ld.so of amd64
// is reached through one. As they come they would lead out of the sysroot.
func relativeLinks(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type() != fs.ModeSymlink {
			return err
		}
		target, err := os.Readlink(path)
		if err != nil || !filepath.IsAbs(target) {
			return err
		}
		// With merged-usr the folder of the link may itself be reached through a
		// link, but WalkDir follows none, so path is where it really lies.
		// Clean keeps a `..` from leading above /, as the kernel would.
		rel, err := filepath.Rel(filepath.Dir(path), filepath.Join(root, filepath.Clean(target)))
		if err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.Symlink(rel, path)
	})
}

// treeSize returns the sum of the sizes of the regular files below dir, in
// bytes. What vanishes while it looks, because a pull replaces it, counts zero.
func treeSize(dir string) (int64, error) {
	var size int64
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		size += info.Size()
		return nil
	})
	return size, err
}

// upstreamVersion returns the upstream part of a Debian version, which is
// [epoch:]upstream[-revision].
func upstreamVersion(version string) (string, error) {
	upstream := version
	if _, after, found := strings.Cut(upstream, ":"); found {
		upstream = after
	}
	if i := strings.LastIndexByte(upstream, '-'); i >= 0 {
		upstream = upstream[:i]
	}
	if upstream == "" {
		return "", fmt.Errorf("version %q: has no upstream part", version)
	}
	return upstream, nil
}
