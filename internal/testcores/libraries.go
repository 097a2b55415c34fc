package testcores

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"emurace/internal/testroot"
	"emurace/loader"
)

// Bare is a folder with the libraries of a suite's sysroot and nothing else: no debug file, so
// that they are stripped but for what they export, and no program. It lasts as long as the cores.
// As the libraries of a core of another suite's they are wrong ones, whose names are right.
func Bare(t testing.TB, suite string, arch loader.Arch) string {
	t.Helper()
	from := testroot.Dir(t, "debian:"+suite, arch.String())
	return once(t, "bare-"+suite+"-"+arch.String(), func(dir string) (*Core, error) {
		return &Core{Sysroot: dir}, copyLibraries(from, dir, arch)
	}).Sysroot
}

// copyLibraries copies what lies beside libc and the interpreter, under the names that programs know.
func copyLibraries(from, to string, arch loader.Arch) error {
	root, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it is only read
	interp := strings.TrimPrefix(arch.Interp(), "/")
	files := []string{interp}
	folder := filepath.Join("lib", arch.Triplet())
	entries, err := fs.ReadDir(root.FS(), folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), ".so") {
			files = append(files, filepath.Join(folder, e.Name()))
		}
	}
	for _, name := range files {
		b, err := root.ReadFile(name)
		if err != nil {
			return err
		}
		at := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at, b, 0o755); err != nil {
			return err
		}
	}
	return nil
}
