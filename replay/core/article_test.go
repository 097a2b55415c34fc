package core

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// registersOf are, by suite and architecture, the register that getenv walks the array with and
// the one that it has an entry in.
var registersOf = map[string][2]string{
	"bookworm/arm64": {"x20", "x19"}, "bullseye/arm64": {"x20", "x19"},
	"bookworm/amd64": {"rbp", "rbx"}, "bullseye/amd64": {"rbx", "r12"},
}

// TestScene: what the article asks its core file, asked of the core of the scenario article, is
// answered as there: environ is whole, with the two variables last; the register that walks
// points into another array, with the same pointers, and 0x220 and 0x20 where they end.
func TestScene(t *testing.T) {
	together(t, func(t *testing.T, arch loader.Arch) {
		for _, suite := range []string{"bookworm", "bullseye"} {
			if testing.Short() && (arch != loader.ARM64 || suite != "bookworm") {
				continue
			}
			t.Run(suite, func(t *testing.T) { checkScene(t, suite, arch) })
		}
	})
}

func checkScene(t *testing.T, suite string, arch loader.Arch) {
	s, _, schedule, _ := testrace.Scene(t, testsystem.Of(t, suite, arch))
	must(t, s.Restart())
	must(t, s.Play(schedule))
	walk, entry := registersOf[suite+"/"+arch.String()][0], registersOf[suite+"/"+arch.String()][1]
	around := fmt.Sprintf("x/20gx $%s-40", walk)
	got := gdb(t, s, saved(t, of(t, s, -1)), "bt", "info reg", "disassemble getenv",
		"x/s ((char**) environ)[0]", "x/s ((char**) environ)[66]", "x/s ((char**) environ)[67]", "x/s ((char**) environ)[68]",
		"x/100gx (char**)environ", around, "info threads")

	// The functions of the article, in its order; from 2.32 on strerror jumps to strerror_l.
	var names []string
	for _, n := range submatches(frameName, got["bt"]) {
		names = append(names, strings.TrimSuffix(plain(n), "_l"))
	}
	want := []string{"getenv", "dcigettext", "strerror"}
	if suite == "bullseye" {
		want = []string{"getenv", "dcigettext", "strerror_r", "strerror"}
	}
	if !contains(names, want) {
		t.Errorf("bt: %v, want %v", names, want)
	}
	regs := registers(t, got["info reg"])
	if regs[entry] != 0x220 {
		t.Errorf("%s is %#x", entry, regs[entry])
	}
	if code := got["disassemble getenv"]; !strings.Contains(code, "=> ") || !strings.Contains(code, entry) || !strings.Contains(code, walk) {
		t.Errorf("disassemble getenv: %s", code)
	}
	for command, want := range map[string]string{
		"x/s ((char**) environ)[0]":  `"GLIBC_TUNABLES=glibc.malloc.tcache_count=0"`,
		"x/s ((char**) environ)[66]": `"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"`,
		"x/s ((char**) environ)[67]": `"SSL_CERT_DIR=/etc/ssl/certs"`,
		"x/s ((char**) environ)[68]": "0x0:\t<error: Cannot access memory at address 0x0>",
	} {
		if !strings.Contains(got[command], want) {
			t.Errorf("%s: %s", command, got[command])
		}
	}

	array, now := examined(t, got["x/100gx (char**)environ"])
	from, old := examined(t, got[around])
	if len(now) != 100 || len(old) != 20 || from+40 != regs[walk] {
		t.Fatalf("the dumps: %s%s", got["x/100gx (char**)environ"], got[around])
	}
	if at := regs[walk]; at >= array && at < array+8*69 {
		t.Errorf("%s = %#x is in environ's own array, at %#x", walk, at, array)
	}
	if !slices.Equal(old[:5], now[61:66]) {
		t.Errorf("the two arrays have %#x and %#x", old[:5], now[61:66])
	}
	if old[5] != 0x220 || old[6] != 0x20 {
		t.Errorf("behind the entries are %#x, and not 0x220 and 0x20", old[5:7])
	}
	if now[66] == 0 || now[67] == 0 || now[68] != 0 || now[69]&7 != 1 {
		t.Errorf("environ ends in %#x", now[66:70])
	}
	if !strings.Contains(got["info threads"], "* 1") || !strings.Contains(got["info threads"], "getenv") {
		t.Errorf("info threads: %s", got["info threads"])
	}
}
