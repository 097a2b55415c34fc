package loader

import (
	"testing"

	"emurace/internal/testroot"
)

// TestThreadLocal: a local variable of each thread is known by its debug file only, an exported one without.
func TestThreadLocal(t *testing.T) {
	s, err := OpenSysroot(testroot.Dir(t, "debian:bookworm", "arm64"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	im, err := LoadImage(s, "/lib/aarch64-linux-gnu/libc.so.6")
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := im.ThreadLocal("tcache"); ok {
		t.Errorf("tcache is %+v without a debug file", v)
	}
	if found, err := im.LoadDebug(s); !found || err != nil {
		t.Fatal(found, err)
	}
	for _, name := range []string{"tcache", "thread_arena"} {
		if v, ok := im.ThreadLocal(name); !ok || v.Size != 8 || v.Addr+v.Size > im.TLS.Memsz {
			t.Errorf("%s is %+v, %v", name, v, ok)
		}
	}
	if v, ok := im.ThreadLocal("main_arena"); ok {
		t.Errorf("main_arena is a thread's: %+v", v)
	}
}
