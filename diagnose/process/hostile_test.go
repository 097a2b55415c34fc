package process

import (
	"bytes"
	"debug/elf"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testseed"
	"emurace/loader"
	"emurace/loader/corefile"
)

// builder makes a core of amd64 with memory of a test's own.
type builder struct {
	auxv  []uint64
	files []byte // NT_FILE
	parts []part
	pc    uint64
	sp    uint64
}

type part struct {
	addr  uint64
	data  []byte
	flags elf.ProgFlag
}

func note(kind uint32, desc []byte) []byte {
	b := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 5), uint32(len(desc))), kind)
	b = append(b, "CORE\x00\x00\x00\x00"...)
	return append(append(b, desc...), make([]byte, -len(desc)&3)...)
}

func (b builder) bytes() []byte {
	status := make([]byte, 336)
	le.PutUint16(status[12:], 11)
	le.PutUint32(status[32:], 1)
	le.PutUint64(status[112+8*16:], b.pc)
	le.PutUint64(status[112+8*19:], b.sp)
	var auxv []byte
	for _, v := range append(slices.Clone(b.auxv), 0, 0) {
		auxv = le.AppendUint64(auxv, v)
	}
	notes := slices.Concat(note(1, status), note(6, auxv))
	if b.files != nil {
		notes = append(notes, note(0x46494c45, b.files)...)
	}
	out := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 57)...)
	le.PutUint16(out[16:], uint16(elf.ET_CORE))
	le.PutUint16(out[18:], uint16(elf.EM_X86_64))
	le.PutUint64(out[32:], ehdrSize)
	le.PutUint16(out[54:], phdrSize)
	le.PutUint16(out[56:], uint16(1+len(b.parts)))
	at := uint64(ehdrSize + phdrSize*(1+len(b.parts)))
	out = appendHeader(out, elf.PT_NOTE, 0, at, 0, uint64(len(notes)))
	at += uint64(len(notes))
	for _, p := range b.parts {
		out = appendHeader(out, elf.PT_LOAD, p.flags, at, p.addr, uint64(len(p.data)))
		at += uint64(len(p.data))
	}
	out = append(out, notes...)
	for _, p := range b.parts {
		out = append(out, p.data...)
	}
	return out
}

func appendHeader(b []byte, kind elf.ProgType, flags elf.ProgFlag, off, addr, size uint64) []byte {
	b = le.AppendUint32(le.AppendUint32(b, uint32(kind)), uint32(flags))
	for _, v := range []uint64{off, addr, addr, size, size, 4096} {
		b = le.AppendUint64(b, v)
	}
	return b
}

// words are bytes of words.
func words(list ...uint64) (b []byte) {
	for _, v := range list {
		b = le.AppendUint64(b, v)
	}
	return b
}

// Addresses of the sample: the program's image, its data, and a stack.
const (
	atImage = 0x400000
	atData  = 0x600000
	atList  = 0x601000
	atStack = 0x700000
)

// sample has a program whose headers are in memory, with r_debug at atData and the first link_map at atList.
func sample(edit func(image, data, list []byte)) builder {
	image := make([]byte, 0x2000)
	copy(image, "\x7fELF\x02\x01\x01")
	le.PutUint16(image[16:], uint16(elf.ET_EXEC))
	le.PutUint16(image[18:], uint16(elf.EM_X86_64))
	le.PutUint32(image[20:], 1)
	le.PutUint64(image[24:], atImage+0x1000)
	le.PutUint64(image[32:], ehdrSize)
	le.PutUint16(image[54:], phdrSize)
	le.PutUint16(image[56:], 2)
	copy(image[ehdrSize:], appendHeader(nil, elf.PT_LOAD, elf.PF_R|elf.PF_X, 0, atImage, uint64(len(image))))
	copy(image[ehdrSize+phdrSize:], appendHeader(nil, elf.PT_DYNAMIC, elf.PF_R, 0x800, atImage+0x800, 32))
	copy(image[0x800:], words(uint64(elf.DT_DEBUG), atData, 0, 0))
	data := append(words(1, atList, 0, 0, 0), make([]byte, 4096-40)...)
	list := make([]byte, 4096)
	edit(image, data, list)
	return builder{auxv: []uint64{loader.AT_PHDR, atImage + ehdrSize, loader.AT_PHENT, phdrSize, loader.AT_PHNUM, 2}, pc: atImage + 0x1000, sp: atStack,
		parts: []part{{atImage, image, elf.PF_R | elf.PF_X}, {atData, data, elf.PF_R | elf.PF_W}, {atList, list, elf.PF_R | elf.PF_W}, {atStack, make([]byte, 4096), elf.PF_R | elf.PF_W}}}
}

// explain makes the process of a core, and looks at all that it has.
func explain(t testing.TB, b []byte) *Process {
	t.Helper()
	core, err := corefile.Parse(bytes.NewReader(b), uint64(len(b)))
	if err != nil {
		return nil
	}
	p, err := New(core, &Files{})
	if err != nil {
		t.Fatal(err)
	}
	last := uint64(0)
	for _, m := range p.List() {
		if m.Lo < last || m.Hi <= m.Lo || len(m.Path) > 4096 {
			t.Errorf("%q from %#x to %#x, behind %#x", m.Path, m.Lo, m.Hi, last)
		}
		last = m.Hi
		_ = m.Name()
	}
	for _, th := range p.Threads {
		if frames, _ := th.Frames(); len(frames) > maxFrames {
			t.Errorf("%d frames", len(frames))
		}
		p.Text(th.SP())
		p.Read(th.SP()-8, 64)
	}
	p.Libc()
	p.Glibc()
	p.Lookup("environ")
	return p
}

// TestDamage: lists without an end or into nowhere, headers that claim what is not so, and hostile names do no
// harm, and what can be told is told.
func TestDamage(t *testing.T) {
	none := func(_, _, _ []byte) {}
	for name, c := range map[string]struct {
		edit    func(image, data, list []byte)
		program bool
		links   int
	}{
		"sound":            {func(_, _, l []byte) { copy(l, words(0, 0, atImage+0x800, 0)) }, true, 1},
		"a cycle":          {func(_, _, l []byte) { copy(l, words(0, 0, 1, atList+64)); copy(l[64:], words(0, 0, 2, atList)) }, true, 2},
		"itself":           {func(_, _, l []byte) { copy(l, words(0, 0, 1, atList)) }, true, 1},
		"into nowhere":     {func(_, _, l []byte) { copy(l, words(0, 0, 1, 0xdead0000)) }, true, 1},
		"at the end":       {func(_, _, l []byte) { copy(l, words(0, 0, 1, atList+4096-8)) }, true, 1},
		"at 2^64":          {func(_, _, l []byte) { copy(l, words(^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)-7)) }, true, 1},
		"no list":          {func(_, d, _ []byte) { copy(d, words(1, 0)) }, true, 0},
		"no r_debug":       {func(i, _, _ []byte) { copy(i[0x800:], words(uint64(elf.DT_DEBUG), 0xdead0000)) }, true, 0},
		"no DT_NULL":       {func(i, _, _ []byte) { le.PutUint64(i[ehdrSize+phdrSize+40:], 1<<40) }, true, 1},
		"1,170 headers":    {func(i, _, _ []byte) { le.PutUint16(i[56:], maxPhdrs) }, true, 1},
		"headers at 2^63":  {func(i, _, _ []byte) { le.PutUint64(i[32:], 1<<63) }, true, 1},
		"an image of 2^63": {func(i, _, _ []byte) { le.PutUint64(i[ehdrSize+40:], 1<<63) }, false, 0},
		"an image at 2^64": {func(i, _, _ []byte) { le.PutUint64(i[ehdrSize+16:], ^uint64(0)-4095) }, false, 0},
		"no PT_LOAD":       {func(i, _, _ []byte) { le.PutUint32(i[ehdrSize:], 0) }, false, 0},
		"as it was made":   {none, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := explain(t, sample(c.edit).bytes())
			if p == nil || (p.Main() != nil) != c.program {
				t.Fatalf("program: %+v", p.Main())
			}
			if got := links(p.Core, p.rendezvous(p.programHeader(p.Core))); len(got) != c.links {
				t.Errorf("%d entries: %+v", len(got), got)
			}
		})
	}
}

// TestHostileNames: paths that lead out of the sysroot, or have what a terminal obeys, or are very long.
func TestHostileNames(t *testing.T) {
	root, err := loader.OpenSysroot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }() // it is only read
	for _, name := range []string{"/../../../../etc/passwd", "../x", "", "/", "/dev/zero", "/a\x1b[2Jb", strings.Repeat("/x", 5000), "/\xff\xfe", "."} {
		b := sample(func(_, _, _ []byte) {})
		b.files = slices.Concat(words(1, 1, atImage, atImage+0x2000, 0), []byte(name+"\x00"))
		data := b.bytes()
		core, err := corefile.Parse(bytes.NewReader(data), uint64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		p, err := New(core, &Files{Sources: []Source{{Name: "root", Root: root, Given: true}}})
		if err != nil {
			t.Fatal(err)
		}
		if m := p.Main(); m == nil || m.File != "" {
			t.Errorf("%.40q: %+v", name, m)
		}
	}
}

// TestManyImages: of images without number so many are known, in little memory: each is 8 KiB, and says
// that it is 60 MiB.
func TestManyImages(t *testing.T) {
	if testing.Short() {
		t.Skip("so many take a second")
	}
	b := sample(func(_, _, _ []byte) {})
	image := b.parts[0].data
	const count = 3000
	for i := range uint64(count) {
		at := 1<<32 + i<<27
		copy := bytes.Clone(image[:0x1000])
		le.PutUint16(copy[16:], uint16(elf.ET_DYN))
		le.PutUint64(copy[ehdrSize+16:], 0)
		le.PutUint64(copy[ehdrSize+32:], 0x1000)
		le.PutUint64(copy[ehdrSize+40:], 0x1000)
		le.PutUint32(copy[ehdrSize+phdrSize:], uint32(elf.PT_LOAD))
		le.PutUint32(copy[ehdrSize+phdrSize+4:], uint32(elf.PF_R|elf.PF_W))
		for k, v := range []uint64{0, 0x1000, 0x1000, 60 << 20, 60 << 20} {
			le.PutUint64(copy[ehdrSize+phdrSize+8+8*k:], v)
		}
		b.parts = append(b.parts, part{at, copy, elf.PF_R | elf.PF_X})
	}
	data := b.bytes()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p := explain(t, data)
	runtime.ReadMemStats(&after)
	if n := len(p.List()); n < count {
		t.Errorf("%d modules", n)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > maxImages+100<<20 {
		t.Errorf("%d MiB of memory", n>>20)
	}
}

// TestDamagedWords: any words of memory may be any others.
func TestDamagedWords(t *testing.T) {
	r := rand.New(rand.NewPCG(testseed.Of(t, 1), 0))
	for range 300 {
		b := sample(func(_, _, l []byte) { copy(l, words(0, 0, atImage+0x800, 0)) }).bytes()
		for range 1 + r.IntN(6) {
			at := r.IntN(len(b) - 8)
			if r.IntN(2) == 0 {
				at = ehdrSize + phdrSize*5 + r.IntN(1500) // notes and headers
			}
			v := []uint64{0, ^uint64(0), 1 << 63, atImage, atData, atList, uint64(at), r.Uint64()}[r.IntN(8)]
			le.PutUint64(b[at&^7:], v)
		}
		explain(t, b)
	}
}

// FuzzMemory: a process whose image, data and list are any bytes.
func FuzzMemory(f *testing.F) {
	b := sample(func(_, _, l []byte) { copy(l, words(0, 0, atImage+0x800, 0)) })
	f.Add(b.parts[0].data, b.parts[1].data[:64], b.parts[2].data[:64], uint64(atImage+0x1000), uint64(0))
	f.Add(b.parts[0].data[:0x900], words(1, atList, atImage+8, 0, atImage), words(atImage, 0, 0, 0), uint64(0), uint64(atImage))
	f.Fuzz(func(t *testing.T, image, data, list []byte, pc, base uint64) {
		c := sample(func(_, _, _ []byte) {})
		c.parts[0].data, c.parts[1].data, c.parts[2].data = image, data[:min(len(data), 4096)], list[:min(len(list), 4096)]
		c.pc = pc
		if base != 0 {
			c.auxv = append(c.auxv, loader.AT_BASE, base)
		}
		explain(t, c.bytes())
	})
}
