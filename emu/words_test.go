package emu

import (
	"testing"

	"emurace/loader"
)

// An instruction that is looked for is told of each time that it is about to run, in
// code that was there and in code that is mapped later, with its number; a run is the
// same with it and without.
func TestTraceWords(t *testing.T) {
	const ret, ldxr = 0xd65f03c0, 0x885ffc00
	p := boot(t, "bookworm", loader.ARM64)
	text := p.str("libz.so.1")
	mark, err := p.Mark()
	must(t, err)
	defer mark.Drop()
	work := func() string {
		must(t, mark.Rewind())
		handle := p.call(0, "dlopen", text, 2)
		version := p.call(0, "dlsym", handle, p.str("zlibVersion"))
		if _, err := p.Call(0, version, "zlibVersion()"); err != nil {
			t.Fatal(err)
		}
		digest, err := p.Digest(mark.LogLen())
		must(t, err)
		return digest
	}
	plain := work()
	var told, inLibrary, last uint64
	must(t, p.TraceWords(func(word uint32) bool { return word == ret }, func(thread int, word uint32) {
		pc, err := p.PC(thread)
		must(t, err)
		if b, ok := p.Read(pc, 4); !ok || le.Uint32(b) != ret || word != ret || thread != 0 {
			t.Fatalf("thread %d stands before %x, told of %#x", thread, b, word)
		}
		if told++; p.Steps() < last {
			t.Fatalf("step %d after %d", p.Steps(), last)
		}
		last = p.Steps()
		if mod, ok := p.Module(pc); ok && mod.Image.Soname == "libz.so.1" {
			inLibrary++
		}
	}))
	traced := work()
	if traced != plain {
		t.Errorf("a traced run ends as %s, another one as %s", traced, plain)
	}
	if told < 100 || inLibrary == 0 {
		t.Errorf("told of %d, %d of them in the library", told, inLibrary)
	}
	was := told
	p.stopTracing()
	if work() != plain || told != was {
		t.Errorf("after the end of it told of %d more", told-was)
	}
	must(t, p.TraceWords(func(word uint32) bool { return word == ldxr }, func(int, uint32) { t.Error("there is none") }))
	p.call(0, "getppid")

	other := boot(t, "bookworm", loader.AMD64)
	must(t, other.TraceWords(func(uint32) bool { return true }, func(int, uint32) { t.Error("amd64 has no words") }))
	other.call(0, "getppid")
}
