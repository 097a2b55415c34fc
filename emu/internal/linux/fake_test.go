package linux

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"testing"

	"emurace/loader"
)

// The fakes stand for the machine: memory is byte slices with a permission a
// page, threads are what the kernel said to them, files are a map. They hold
// the kernel to the contracts of Memory and Threads.

const (
	lowBase  = 0x10000
	highBase = 0x7000_0000_0000
	zoneSize = 2 << 20
	heapBase = lowBase + 256<<10
	heapEnd  = heapBase + 256<<10
	mmapEnd  = highBase
	mmapTop  = highBase + 1<<20
	topAddr  = highBase + 1536<<10 // the zone goes on beyond
)

type fakeZone struct {
	base  uint64
	bytes []byte
	pages []byte // permissions, and mapped
}

const mapped = 8

type fakeMemory struct {
	t     testing.TB
	zones []*fakeZone
	steps uint64
	uses  []fakeUse // of all calls so far
}

// fakeUse is a range that a call reads, or changes in any way.
type fakeUse struct {
	addr, size uint64
	write      bool
}

func (m *fakeMemory) Touch(_ int, addr, size uint64) error {
	if m.View(addr, size) == nil {
		return fmt.Errorf("fake: touch of %d bytes at %#x, where no zone is", size, addr)
	}
	m.uses = append(m.uses, fakeUse{addr, size, false})
	return nil
}

func newMemory(t testing.TB) *fakeMemory {
	m := &fakeMemory{t: t}
	for _, base := range []uint64{lowBase, highBase} {
		m.zones = append(m.zones, &fakeZone{base, make([]byte, zoneSize), make([]byte, zoneSize/loader.PageSize)})
	}
	return m
}

func (m *fakeMemory) zone(addr, size uint64) (*fakeZone, uint64) {
	for _, z := range m.zones {
		if off := addr - z.base; off < zoneSize && size <= zoneSize-off {
			return z, off
		}
	}
	return nil, 0
}

func (m *fakeMemory) View(addr, size uint64) []byte {
	if z, off := m.zone(addr, size); z != nil && size > 0 {
		return z.bytes[off : off+size : off+size]
	}
	return nil
}

func (m *fakeMemory) page(addr uint64) byte {
	if z, off := m.zone(addr, 1); z != nil {
		return z.pages[off/loader.PageSize]
	}
	return 0
}

func (m *fakeMemory) Allows(addr, size uint64, p loader.Prot) bool {
	if size == 0 {
		return true
	}
	if addr+size-1 < addr {
		return false
	}
	for a := addr &^ (loader.PageSize - 1); ; a += loader.PageSize {
		if want := byte(p) | mapped; m.page(a)&want != want {
			return false
		}
		if addr+size-1-a < loader.PageSize {
			return true
		}
	}
}

func (m *fakeMemory) Touched(addr uint64) bool {
	a := addr &^ (loader.PageSize - 1)
	return !bytes.Equal(m.View(a, loader.PageSize), make([]byte, loader.PageSize))
}

func (m *fakeMemory) Store(_ int, addr uint64, b []byte) error {
	if !m.Allows(addr, uint64(len(b)), 0) {
		return fmt.Errorf("fake: store of %d bytes at %#x, where nothing is mapped", len(b), addr)
	}
	copy(m.View(addr, uint64(len(b))), b)
	m.uses = append(m.uses, fakeUse{addr, uint64(len(b)), true})
	return nil
}

func (m *fakeMemory) setPages(what string, addr, size uint64, bits byte, before func(byte) bool) error {
	m.uses = append(m.uses, fakeUse{addr, size, true})
	z, off := m.zone(addr, size)
	if z == nil || size == 0 || (addr|size)%loader.PageSize != 0 {
		return fmt.Errorf("fake: %s [%#x, +%#x) is not whole pages of one zone", what, addr, size)
	}
	for i := off / loader.PageSize; i < (off+size)/loader.PageSize; i++ {
		if !before(z.pages[i]) {
			return fmt.Errorf("fake: %s: page %#x has %#x", what, z.base+i*loader.PageSize, z.pages[i])
		}
		z.pages[i] = bits
	}
	return nil
}

func (m *fakeMemory) Map(addr, size uint64, p loader.Prot) error {
	if err := m.setPages("map", addr, size, byte(p)|mapped, func(b byte) bool { return b == 0 }); err != nil {
		return err
	}
	for _, b := range m.View(addr, size) {
		if b != 0 {
			return fmt.Errorf("fake: map [%#x, +%#x): it holds something", addr, size)
		}
	}
	return nil
}

func (m *fakeMemory) Protect(addr, size uint64, p loader.Prot) error {
	return m.setPages("protect", addr, size, byte(p)|mapped, func(b byte) bool { return b != 0 })
}

func (m *fakeMemory) Unmap(addr, size uint64) error {
	if err := m.setPages("unmap", addr, size, 0, func(b byte) bool { return b != 0 }); err != nil {
		return err
	}
	clear(m.View(addr, size))
	return nil
}

func (m *fakeMemory) Clock(int) uint64 { return m.steps }

// fakeThreads keeps what the kernel did to threads.
type fakeThreads struct {
	result map[int]uint64
	tls    map[int]uint64
	stack  map[int]uint64
	alive  map[int]bool
	again  map[int]int // how often it was to make a call once more
	regs   map[int]map[string][]byte
}

func (f *fakeThreads) Clone(slot, parent int, stack, tls uint64, setTLS bool) error {
	if f.alive[slot] || !f.alive[parent] {
		return fmt.Errorf("fake: clone of %d into %d", parent, slot)
	}
	f.alive[slot], f.stack[slot] = true, stack
	f.tls[slot] = f.tls[parent]
	if setTLS {
		f.tls[slot] = tls
	}
	f.result[slot] = 0
	return nil
}

func (f *fakeThreads) SetTLS(t int, v uint64) error { f.tls[t] = v; return f.check(t) }

func (f *fakeThreads) SetResult(t int, v uint64) error { f.result[t] = v; return f.check(t) }

func (f *fakeThreads) check(t int) error {
	if !f.alive[t] {
		return fmt.Errorf("fake: there is no thread %d", t)
	}
	return nil
}

func (f *fakeThreads) Again(t int) error {
	f.again[t]++
	return f.check(t)
}

func (f *fakeThreads) Registers(t int) (map[string][]byte, error) {
	regs := map[string][]byte{}
	for _, name := range slices.Concat(armRegs, amd64Regs, []string{"sp", "pc", "nzcv", "fpsr", "fpcr", "fctrl", "fstat", "ftag", "mxcsr"}, xmmRegs, x87Regs, vecRegs) {
		regs[name] = make([]byte, 16)
	}
	for name, b := range f.regs[t] {
		copy(regs[name], b)
	}
	if f.regs[t] == nil {
		le.PutUint64(regs["sp"], fakeStack+8192)
		le.PutUint64(regs["rsp"], fakeStack+8192)
	}
	return regs, f.check(t)
}

func (f *fakeThreads) SetRegisters(t int, values map[string][]byte) error {
	regs, err := f.Registers(t)
	for name, b := range values {
		regs[name] = slices.Clone(b)
	}
	f.regs[t] = regs
	return err
}

// fakeStack is the stack of all threads.
const fakeStack = area + areaSize - 8192

func (f *fakeThreads) Drop(t int) { delete(f.alive, t) }

// fakeFiles is a tree of files by absolute path.
type fakeFiles map[string]fakeFile

type fakeFile struct {
	data string
	link string
	dir  bool
	exec bool
}

func (f fakeFiles) find(p string, follow bool) (fakeFile, error) {
	for range 8 {
		n, ok := f[p]
		if !ok {
			return n, fs.ErrNotExist
		}
		if n.link == "" || !follow {
			return n, nil
		}
		p = path.Join(path.Dir(p), n.link)
	}
	return fakeFile{}, fs.ErrInvalid
}

func (f fakeFiles) File(p string) ([]byte, error) {
	n, err := f.find(p, true)
	if err == nil && n.dir {
		err = fs.ErrInvalid
	}
	return []byte(n.data), err
}

func (f fakeFiles) Info(p string, follow bool) (FileInfo, error) {
	n, err := f.find(p, follow)
	return FileInfo{Size: int64(len(n.data)), Dir: n.dir, Symlink: n.link != "", Exec: n.exec}, err
}

func (f fakeFiles) Readlink(p string) (string, error) {
	n, err := f.find(p, false)
	return n.link, err
}

func (f fakeFiles) List(p string) (names []string, err error) {
	if n, err := f.find(p, true); err != nil || !n.dir {
		return nil, fs.ErrInvalid
	}
	for at := range f {
		if at != p && path.Dir(at) == p {
			names = append(names, path.Base(at))
		}
	}
	slices.Sort(names)
	return names, nil
}

var files = fakeFiles{
	"/":           {dir: true},
	"/etc":        {dir: true},
	"/etc/motd":   {data: "welcome to the fake\n"},
	"/bin":        {dir: true},
	"/bin/prog":   {data: "\x7fELF", exec: true},
	"/bin/link":   {link: "prog"},
	"/loop":       {link: "loop"},
	"/etc/big":    {data: string(bytes.Repeat([]byte("0123456789abcdef"), 600))}, // 9,600 bytes
	"/etc/nested": {dir: true},
}

// fixture is a kernel over fakes, with a readable and writable area for
// arguments.
type fixture struct {
	*Kernel
	t       testing.TB
	mem     *fakeMemory
	threads *fakeThreads
	numbers map[string]uint64
	next    uint64 // free bytes of the area
}

const (
	area     = lowBase + 1<<20
	areaSize = 64 << 10
)

func newFixture(t testing.TB, arch loader.Arch) *fixture {
	t.Helper()
	return newLimited(t, arch, Limits{Threads: 4, Output: 100, Files: 6})
}

func newLimited(t testing.TB, arch loader.Arch, limits Limits) *fixture {
	t.Helper()
	f := &fixture{t: t, mem: newMemory(t), numbers: map[string]uint64{}, next: area,
		threads: &fakeThreads{map[int]uint64{}, map[int]uint64{}, map[int]uint64{}, map[int]bool{0: true}, map[int]int{}, map[int]map[string][]byte{}}}
	f.Kernel = New(Kernel{Arch: arch, Memory: f.mem, Threads: f.threads, Files: files, Seed: 1,
		Limits: limits},
		Layout{MmapTop: mmapTop, MmapEnd: mmapEnd, Top: topAddr})
	f.SetBrk(heapBase, heapEnd)
	for _, c := range calls {
		n := c.amd64
		if arch == loader.ARM64 {
			n = c.arm64
		}
		if n >= 0 {
			f.numbers[c.name] = uint64(n)
		}
	}
	if err := f.Map(0, VMA{Start: area, End: area + areaSize, Prot: loader.ProtRead | loader.ProtWrite}, nil); err != nil {
		t.Fatal(err)
	}
	return f
}

// each runs f on a kernel of each architecture.
func each(t *testing.T, f func(t *testing.T, k *fixture)) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		t.Run(arch.String(), func(t *testing.T) { f(t, newFixture(t, arch)) })
	}
}

// at makes a system call on a thread and returns all of it.
func (f *fixture) at(thread int, name string, args ...uint64) Result {
	f.t.Helper()
	n, ok := f.numbers[name]
	if !ok {
		f.t.Fatalf("%v has no %s", f.Arch, name)
	}
	c := Call{Thread: thread, Number: n}
	copy(c.Args[:], args)
	r, err := f.Do(c)
	if err != nil {
		f.t.Fatalf("%s%x: %v", name, args, err)
	}
	if r.Effect == Returns && f.threads.result[thread] != r.Value {
		f.t.Fatalf("%s: result %#x, the thread's register has %#x", name, r.Value, f.threads.result[thread])
	}
	return r
}

// do makes a system call on thread 0 and returns its value.
func (f *fixture) do(name string, args ...uint64) int64 {
	f.t.Helper()
	return int64(f.at(0, name, args...).Value)
}

// has tells whether the architecture has the call.
func (f *fixture) has(name string) bool { _, ok := f.numbers[name]; return ok }

// put places bytes in the area and returns their address.
func (f *fixture) put(b []byte) uint64 {
	f.t.Helper()
	addr := f.next
	f.next = (f.next + uint64(len(b)) + 15) &^ 15
	if err := f.mem.Store(0, addr, b); err != nil {
		f.t.Fatal(err)
	}
	return addr
}

func (f *fixture) str(s string) uint64 { return f.put(append([]byte(s), 0)) }

// room is n zeroed bytes of the area.
func (f *fixture) room(n int) uint64 { return f.put(make([]byte, n)) }

func (f *fixture) word(addr uint64) uint64 { return le.Uint64(f.mem.View(addr, 8)) }

func (f *fixture) word32(addr uint64) uint32 { return le.Uint32(f.mem.View(addr, 4)) }

// errno is how a system call returns an error.
func errno(e Errno) int64 { return -int64(e) }

const unmapped = lowBase + 1536<<10 // in a zone, and nothing is there

// minus1 is the descriptor of an anonymous mapping.
const minus1 = ^uint64(0)
