package flow

import (
	"testing"

	"emurace/emu"
	"emurace/internal/testsystem"
	"emurace/loader"
)

func TestDbg(t *testing.T) {
	for arch, names := range map[loader.Arch][]string{loader.ARM64: {"__tzfile_read", "register_state", "re_search_internal", "peek_token", "__GI_memcpy", "pthread_rwlock_unlock", "getenv", "__GI_____strtod_l_internal", "__GI_____strtol_l_internal"}, loader.AMD64: {"re_compile_internal", "_IO_file_fopen", "re_compile_fastmap_iter", "getenv"}} {
		sys := testsystem.Of(t, "bookworm", arch)
		sys.LoadDebug()
		m, err := emu.New(emu.Options{System: sys, Env: []string{"HOME=/"}, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		fl, _ := New(&m.Process)
		libc, _ := m.Libc()
		for _, n := range names {
			for _, s := range libc.Image.Named(n) {
				fn := fl.functionAt(libc.Base + s.Addr)
				t.Logf("%v %s %#x-%#x: %s; %d insts", arch, n, s.Addr, s.Addr+s.Size, fn.problem, len(fn.insts))
			}
		}
	}
}
