package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"emurace/loader"
	"emurace/sysroot"
)

// cachedRoot is the folder of a sysroot of the cache.
func cachedRoot(ts *testscript.TestScript, name, arch string) string {
	spec, err := sysroot.Parse(name)
	ts.Check(err)
	cache, err := sysroot.Open(ts.Getenv("EMURACE_CACHE"))
	ts.Check(err)
	ts.Defer(cache.Close)
	dir, err := cache.Dir(spec, arch)
	ts.Check(err)
	return dir
}

// lib64Command makes of a sysroot of Debian's one that is laid out as those are that have
// their libraries in lib64, such as CentOS: usage: lib64 SPEC ARCH LAYOUT DIR. The layouts are
//
//	folder  /lib64 and /lib are folders
//	merged  /lib64 and /lib are links to those in /usr
//	bare    there is /usr/lib64 and nothing else, as in the packages of such a system
func lib64Command(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: lib64 SPEC ARCH LAYOUT DIR")
	}
	arch, err := loader.ParseArch(args[1])
	ts.Check(err)
	from, to := cachedRoot(ts, args[0], args[1]), ts.MkAbs(args[3])
	libs, linker := filepath.Join(to, "usr/lib64"), filepath.Base(arch.Interp())
	if args[2] == "folder" {
		libs = filepath.Join(to, "lib64")
	}
	ts.Check(os.MkdirAll(libs, 0o755))
	ts.Check(os.MkdirAll(filepath.Join(to, "usr/lib"), 0o755))
	switch args[2] {
	case "folder":
		ts.Check(os.Mkdir(filepath.Join(to, "lib"), 0o755))
	case "merged":
		ts.Check(os.Symlink("usr/lib64", filepath.Join(to, "lib64")))
		ts.Check(os.Symlink("usr/lib", filepath.Join(to, "lib")))
	}
	if at := filepath.Join(to, arch.Interp()); args[2] != "bare" && filepath.Base(filepath.Dir(at)) == "lib" {
		ts.Check(os.Symlink("../lib64/"+linker, at)) // as the package glibc has it for arm64
	}
	found, err := filepath.Glob(filepath.Join(from, "lib", arch.Triplet(), "*.so*"))
	ts.Check(err)
	for _, name := range found {
		data, err := os.ReadFile(name)
		ts.Check(err)
		if filepath.Base(name) == linker {
			data = searchLib64(data, arch.Triplet())
		}
		ts.Check(os.WriteFile(filepath.Join(libs, filepath.Base(name)), data, 0o755))
	}
	ts.Check(os.CopyFS(filepath.Join(to, "usr/lib/debug"), os.DirFS(filepath.Join(from, "usr/lib/debug"))))
}

// searchLib64 has a dynamic linker look for libraries where one of such a system does: the
// folders are in it as text (elf/dl-load.c, system_dirs), and their lengths stay.
func searchLib64(data []byte, triplet string) []byte {
	for _, prefix := range []string{"/usr/lib", "/lib"} {
		old := prefix + "/" + triplet + "/\x00"
		dir := prefix + "64/"
		dir += strings.Repeat("/", len(old)-1-len(dir)) + "\x00"
		data = bytes.ReplaceAll(data, []byte(old), []byte(dir))
	}
	return data
}
