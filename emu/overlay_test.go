package emu

import (
	"os"
	"path/filepath"
	"testing"

	"emurace/internal/guestcode"
	"emurace/loader"
)

// filing uses files as programs do, through libc. A function returns 0, or the number of the
// line that something is wrong in.
const filing = `
typedef unsigned long size;
extern int mkdir(const char *, unsigned), open(const char *, int, ...), close(int), rename(const char *, const char *), unlink(const char *), rmdir(const char *);
extern int link(const char *, const char *), symlink(const char *, const char *), ftruncate(int, long), chdir(const char *), access(const char *, int), fstat(int, void *), stat(const char *, void *), lstat(const char *, void *);
extern long write(int, const void *, size), read(int, void *, size), pread(int, void *, size, long), lseek(int, long, int), readlink(const char *, char *, size);
extern void *opendir(const char *), *mmap(void *, size, int, int, int, long), *malloc(size), *fopen(const char *, const char *), *tmpfile(void), *sem_open(const char *, int, ...);
extern struct dirent { size ino, off; unsigned short len; unsigned char type; char name[256]; } *readdir(void *);
extern int closedir(void *), munmap(void *, size), strcmp(const char *, const char *), memcmp(const void *, const void *, size), mkstemp(char *), shm_open(const char *, int, unsigned), shm_unlink(const char *), memfd_create(const char *, unsigned);
extern int fclose(void *), fputs(const char *, void *), fseek(void *, long, int), sem_post(void *), sem_trywait(void *), sem_close(void *), sem_unlink(const char *), remove(const char *), puts(const char *);
extern char *getcwd(char *, size), *fgets(char *, int, void *), *realpath(const char *, char *);
extern long telldir(void *);
extern void seekdir(void *, long), rewinddir(void *);
#define IS(x) do { if (!(x)) return __LINE__; } while (0)
#ifdef __aarch64__
#define MODE(st) (*(unsigned *)((char *)(st) + 16))
#else
#define MODE(st) (*(unsigned *)((char *)(st) + 24))
#endif
#define SIZE(st) (*(long *)((char *)(st) + 48))
#define MTIME(st) (*(long *)((char *)(st) + 88))
static char b[8192];

int files(void) {
	IS(mkdir("/made", 0755) == 0 && mkdir("/made", 0755) == -1);
	int fd = open("/made/a", 0102, 0640);
	IS(fd >= 0 && write(fd, "hello, world", 12) == 12 && lseek(fd, 0, 0) == 0 && read(fd, b, 100) == 12);
	IS(memcmp(b, "hello, world", 12) == 0 && fstat(fd, b) == 0 && MODE(b) == 0100640 && SIZE(b) == 12 && MTIME(b) > 0);
	IS(close(fd) == 0 && rename("/made/a", "/made/b") == 0 && access("/made/a", 0) == -1);
	IS(link("/made/b", "/made/c") == 0 && symlink("c", "/made/l") == 0 && readlink("/made/l", b, 100) == 1);
	IS(stat("/made/l", b) == 0 && SIZE(b) == 12 && lstat("/made/l", b) == 0 && (MODE(b) & 0170000) == 0120000);
	void *f = fopen("/made/l", "a+");
	IS(f && fputs("!\n", f) >= 0 && fseek(f, 0, 0) == 0 && fgets(b, 100, f) && strcmp(b, "hello, world!\n") == 0 && fclose(f) == 0);
	IS(chdir("/made") == 0 && getcwd(b, 100) && strcmp(b, "/made") == 0 && realpath("./../made/l", b) && strcmp(b, "/made/c") == 0);
	f = tmpfile();
	IS(f && fputs("x", f) >= 0 && fclose(f) == 0);
	char name[] = "/tmp/nameXXXXXX";
	fd = mkstemp(name);
	IS(fd >= 0 && close(fd) == 0 && remove(name) == 0);
	return 0;
}

int folders(void) {
	static const char *want[] = {".", "..", "b", "c", "l", 0};
	void *d = opendir("/made");
	IS(d);
	struct dirent *e;
	long at = 0;
	int n = 0;
	for (; (e = readdir(d)); n++) {
		IS(want[n] && strcmp(e->name, want[n]) == 0);
		IS(e->type == (n < 2 ? 4 : n == 4 ? 10 : 8));
		if (n == 2) at = telldir(d);
	}
	IS(n == 5);
	seekdir(d, at);
	IS((e = readdir(d)) && strcmp(e->name, "c") == 0);
	IS(mkdir("/made/aa", 0755) == 0);
	rewinddir(d);
	for (n = 0; readdir(d); n++) ;
	IS(n == 6 && closedir(d) == 0);
	for (n = 0; n < 300; n++) {
		char name[] = "/made/aa/000";
		name[9] += n / 100, name[10] += n / 10 % 10, name[11] += n % 10;
		IS(close(open(name, 0101, 0644)) == 0);
	}
	IS(rmdir("/made/aa") == -1);
	d = opendir("/made/aa");
	for (n = 0; (e = readdir(d)); n++) {
		if (n < 2) continue;
		char name[20] = "/made/aa/";
		for (int i = 0; i < 4; i++) name[9 + i] = e->name[i];
		IS(unlink(name) == 0);
	}
	IS(n == 302 && closedir(d) == 0 && rmdir("/made/aa") == 0);
	d = opendir("/");
	for (n = 0; (e = readdir(d)); ) if (strcmp(e->name, "made") == 0 || strcmp(e->name, "etc") == 0) n++;
	IS(n == 2 && closedir(d) == 0);
	return 0;
}

int shared(void) {
	int fd = shm_open("/shared", 0102, 0600);
	IS(fd >= 0 && ftruncate(fd, 8192) == 0);
	char *p = mmap(0, 8192, 3, 1, fd, 0);
	IS(p != (char *)-1 && write(fd, "by call", 7) == 7 && memcmp(p, "by call", 7) == 0);
	p[4096] = 'm', p[2] = '-';
	IS(pread(fd, b, 8192, 0) == 8192 && b[4096] == 'm' && memcmp(b, "by-call", 7) == 0);
	IS(munmap(p, 8192) == 0 && pread(fd, b, 1, 4096) == 1 && b[0] == 'm' && shm_unlink("/shared") == 0 && close(fd) == 0);
	IS(shm_open("/shared", 2, 0600) == -1);
	void *s = sem_open("/sem", 0100, 0600, 1);
	IS(s && sem_trywait(s) == 0 && sem_trywait(s) == -1 && sem_post(s) == 0 && sem_close(s) == 0);
	s = sem_open("/sem", 0);
	IS(s && sem_trywait(s) == 0 && sem_close(s) == 0 && sem_unlink("/sem") == 0);
	fd = memfd_create("m", 0);
	IS(fd >= 0 && write(fd, "abc", 3) == 3);
	p = mmap(0, 4096, 1, 2, fd, 0);
	IS(p != (char *)-1 && memcmp(p, "abc\0", 4) == 0 && munmap(p, 4096) == 0 && close(fd) == 0);
	return 0;
}

int gone(void) {
	return access("/made", 0) == -1 && access("/made/b", 0) == -1;
}

void fill(void) {
	int fd = open("/tmp/full", 0102, 0600);
	for (;;) write(fd, b, sizeof b);
}
`

// TestFiling: programs make, write, rename, list and map files; a mark brings back what was
// there, the run is the same again, and nothing of it is on the host.
func TestFiling(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		o := Options{Libs: []string{"/opt/filing.so"}, Files: map[string][]byte{"/opt/filing.so": guestcode.Library(t, p.Arch(), "libfiling.so.1", filing)}}
		p = bootWith(t, "bookworm", p.Arch(), o)
		mark := p.mark()
		before := p.digest()
		var digests []string
		for range 2 {
			for _, name := range []string{"files", "folders", "shared"} {
				if line := p.call(0, name); line != 0 {
					t.Fatalf("%s: line %d, errno %d", name, line, p.errno())
				}
			}
			digests = append(digests, p.digest())
			p.rewind(mark)
		}
		if digests[0] != digests[1] || digests[0] == before || p.digest() != before {
			t.Errorf("digests %q, at first %s, then %s", digests, before, p.digest())
		}
		if p.call(0, "gone") != 1 {
			t.Error("what was made is still there")
		}
		for _, name := range []string{"made", "tmp/full", "dev/shm/shared"} {
			if _, err := os.Lstat(filepath.Join(p.sys.Root.Dir(), name)); err == nil {
				t.Errorf("%s is on the host", name)
			}
		}
		if u := p.unknownSyscalls(); len(u) != 0 {
			t.Errorf("unknown system calls: %v", u)
		}
	})
}

// TestOverlayInDigest: a digest tells apart what a file holds that no process has open any
// more, when nothing else differs.
func TestOverlayInDigest(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		mark := p.mark()
		seen := map[string]string{}
		for _, what := range []string{"a", "b", "a again"} {
			p.rewind(mark)
			path, text := p.str("/tmp/x"), p.str(what[:1])
			fd := p.call(0, "open", path, 0o101, 0o644)
			p.call(0, "write", fd, text, 1)
			p.call(0, "close", fd)
			must(t, p.Write(0, text, []byte("-")))
			d, err := p.Digest(p.LogLen())
			must(t, err)
			seen[what] = d
		}
		if seen["a"] == seen["b"] || seen["a"] != seen["a again"] {
			t.Errorf("%q", seen)
		}
	})
}

// TestFileLimit: a process that writes without end ends by the limit of files.
func TestFileLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 256 MiB")
	}
	arch := loader.AMD64
	p := bootWith(t, "bookworm", arch, Options{Libs: []string{"/opt/filing.so"}, Files: map[string][]byte{"/opt/filing.so": guestcode.Library(t, arch, "libfiling.so.1", filing)}})
	p.begin(0, "fill")
	if s := p.run(0, 1<<40); s.Kind != Ended || s.End.Limit != FileLimit {
		t.Errorf("%+v, %v", s, s.End)
	}
}
