// Package sysroot finds the folders that hold a real libc, and makes them.
//
// A sysroot is named by a Spec: a Debian suite ("debian:bookworm"), the
// machine's own files ("host"), or any folder. Cache.Dir turns a Spec and an
// architecture into the folder to read. Debian sysroots live in a cache folder
// of the user's, where Cache.Pull puts them: it has the machine's own apt fetch
// the packages, with apt's signature checks, into private folders, and never
// changes anything of the system.
//
// The cache holds one folder an entry:
//
//	CACHE/sysroot/debian-bookworm-arm64/manifest.json   what is in it
//	CACHE/sysroot/debian-bookworm-arm64/root/           the sysroot itself
//	CACHE/sysroot/.tmp-*                                a pull that is under way, or died
//	CACHE/sysroot/.lock                                 held while one is under way
//
// An entry appears under its name by one rename, when all of it is on disk. So
// whatever has a name and a valid manifest is whole, and nothing else counts.
package sysroot
