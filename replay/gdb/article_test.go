package gdb

import (
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// TestScene: the run that the scenario article has in words, in gdb: at its end what the article
// asks its core is answered as there, and going back shows who moved environ, and when.
func TestScene(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		if testing.Short() && arch != loader.ARM64 {
			t.Skip("it is more of the same")
		}
		sys := testsystem.Of(t, "bookworm", arch)
		_, start, schedule, _ := testrace.Scene(t, sys)
		s := showStarted(t, sys, start, schedule)
		walk := map[loader.Arch]string{loader.ARM64: "x20", loader.AMD64: "rbp"}[arch]
		check(t, s, s.symbols(), []question{
			{"bt", []string{`^#0 .*getenv \(name=.*\) at .*getenv\.c:84$`, `^#\d+ .*__dcigettext`, `^#\d+ .*strerror_l`}},
			{"info threads", []string{`^\* 1 +Thread 1 "main" \(failed in strerror\(2\)\)`, `^  2 +Thread 2 "worker" \(done`}},
			{"x/s ((char**)environ)[66]", []string{`"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates\.crt"$`}},
			{"x/s ((char**)environ)[67]", []string{`"SSL_CERT_DIR=/etc/ssl/certs"$`}},
			{"x/s ((char**)environ)[68]", []string{`^0x0:\s+<error: Cannot access memory at address 0x0>$`}},
			{"x/20gx $" + walk + "-40", []string{`0x0000000000000220\s+0x[0-9a-f]+:\s+0x0000000000000020`}},
			// Is the register in environ's array of 69 words?
			{"p $" + walk + " >= (long)environ && $" + walk + " < (long)environ + 8*69", []string{`= 0$`}},
			// Who moved it?
			{"watch *(long*)&environ\nreverse-continue", []string{`^Thread 2 "worker" hit Hardware watchpoint 1`}},
			{"bt", []string{`__add_to_environ`}},
		})
	})
}
