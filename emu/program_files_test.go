package emu

import (
	"strings"
	"testing"

	"emurace/internal/guestcode"
)

// ofProgram tells of the process that it is.
const ofProgram = `
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv) {
	char b[4096], exe[100] = "";
	struct stat st;
	printf("in %s\n", getcwd(b, sizeof b));
	readlink("/proc/self/exe", exe, sizeof exe - 1);
	printf("exe %s\n", exe);
	while (fgets(b, sizeof b, stdin)) printf("read %s", b);
	FILE *f = fopen("made", "w");
	for (int i = 0; i < 1000; i++) fprintf(f, "line %d\n", i);
	if (fclose(f)) return 1;
	if (stat("made", &st) || st.st_uid != getuid() || st.st_mtime == 0 || stat(exe, &st) || st.st_uid != getuid() || st.st_mtime == 0) return 2;
	if (rename("made", "../renamed") || stat("../renamed", &st) || st.st_size != 8890) return 3;
	DIR *d = opendir("..");
	for (struct dirent *e; (e = readdir(d)); ) printf("entry %s\n", e->d_name);
	if (open(exe, O_RDWR | O_CREAT | O_EXCL, 0600) != -1 || errno != EEXIST) return 4;
	return 0;
}
`

// TestProgramFiles: a program begins in the folder and with the input that it is given, knows
// its own path, and makes files.
func TestProgramFiles(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		o := ProgramOptions{System: p.sys, Path: "/opt/prog", Argv: []string{"prog"}, Seed: 1, Folder: "/given/inner", Input: []byte("one\ntwo\n"),
			Files: map[string][]byte{"/opt/prog": guestcode.Program(t, p.Arch(), ofProgram), "/given/inner/file": nil}}
		m, err := NewProgram(o)
		must(t, err)
		defer m.Close()
		s, err := m.Run(0, 100_000_000)
		must(t, err)
		const want = "in /given/inner\nexe /opt/prog\nread one\nread two\nentry .\nentry ..\nentry inner\nentry renamed\n"
		if said := string(m.printed()); s.Kind != Ended || s.End.Kind != EndExit || s.End.Code != 0 || said != want {
			t.Errorf("%v; it says %q", s, said)
		}
		if missing := m.unknownSyscalls(); len(missing) > 0 {
			t.Errorf("%q are not there", missing)
		}
		o.Folder = "/none"
		if _, err := NewProgram(o); err == nil || !strings.Contains(err.Error(), "the working folder /none: no such file") {
			t.Errorf("in a folder that is not there: %v", err)
		}
	})
}
