package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Engines is how many engines of one process can be told of at a time. There are some
// more than the highest number of jobs; any others are not told of.
const Engines = 512

// Head is how the process died. The handler writes Died last.
type Head struct {
	Magic  uint64
	Died   uint32
	Signal int32
	Code   int32  // of the signal, as siginfo_t's si_code
	Engine int32  // in which it happened, -1 for none in particular
	Addr   uint64 // that could not be accessed
	HostPC uint64 // of the process itself
	_      [4096 - 40]byte
}

// Slot is what is known of an engine.
type Slot struct {
	used    uint32
	Thread  int32  // that runs there or has run last, -1 for none yet
	Running uint32 // it is inside the engine now
	length  uint32 // of text
	PC      uint64 // the guest's, written by the handler; 0 for unknown
	text    [textSize]byte
}

const (
	slotSize = 16 << 10
	textSize = slotSize - 24
	size     = int(unsafe.Sizeof(Head{})) + Engines*slotSize
	magic    = 0x31_68_73_61_72_63_65 // "ecrash1"
)

// Record is the shared memory.
type Record struct {
	memory []byte
	mu     sync.Mutex
}

// New makes a record, and the file through which another process gets to it. The file
// cannot be made shorter or longer any more.
func New() (*Record, *os.File, error) {
	fd, err := unix.MemfdCreate("emurace-crash", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "crash record")
	r, err := func() (*Record, error) {
		if err := f.Truncate(int64(size)); err != nil {
			return nil, err
		}
		// A process that cuts the file would end whoever looks into it.
		if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		return mapped(f)
	}()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	h := r.Head()
	h.Magic, h.Engine = magic, -1
	return r, f, nil
}

// Attach is the record behind a file that New has made.
func Attach(f *os.File) (*Record, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != int64(size) {
		return nil, fmt.Errorf("crash record: %d bytes, not %d", info.Size(), size)
	}
	r, err := mapped(f)
	if err == nil && r.Head().Magic != magic {
		err = errors.Join(errors.New("crash record: it is none"), r.Close())
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

func mapped(f *os.File) (*Record, error) {
	memory, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	return &Record{memory: memory}, nil
}

// Close takes the memory away. Nothing that points into it may be used after.
func (r *Record) Close() error { return unix.Munmap(r.memory) }

// Head is how the process died.
func (r *Record) Head() *Head { return (*Head)(unsafe.Pointer(&r.memory[0])) }

func (r *Record) slot(i int) *Slot {
	return (*Slot)(unsafe.Pointer(&r.memory[int(unsafe.Sizeof(Head{}))+i*slotSize]))
}

// current is the record of this process.
var current atomic.Pointer[Record]

// Use makes a record that of this process: engines that are made from now on are told of
// there.
func Use(r *Record) { current.Store(r) }

// Current is the record of this process, nil when nobody looks after it.
func Current() *Record { return current.Load() }

// Enter takes a slot for an engine: nil without a record, or with none free.
func Enter() (s *Slot, number int) {
	r := Current()
	if r == nil {
		return nil, -1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range Engines {
		if s := r.slot(i); s.used == 0 {
			s.used, s.Thread, s.Running, s.PC = 1, -1, 0, 0
			atomic.StoreUint32(&s.length, 0)
			return s, i
		}
	}
	return nil, -1
}

// Leave gives the slot back.
func (s *Slot) Leave() {
	if s != nil {
		atomic.StoreUint32(&s.length, 0)
		atomic.StoreUint32(&s.used, 0)
	}
}

// Process is what an emulated process is made of, as far as it takes to name a place in
// it.
type Process struct {
	Arch    string   // as loader.ParseArch reads it
	Root    string   // the sysroot, a folder of the host
	Threads []string // names, by the number of the thread
	Modules []Module
}

// Module is a mapped image.
type Module struct {
	Path         string // in the sysroot
	Base, Lo, Hi uint64 // load bias; extent in memory
}

// Describe says what process the engine runs. One that is too large to be described
// leaves what was said before; without a slot nothing is said.
func (s *Slot) Describe(p Process) {
	if s == nil {
		return
	}
	text, err := json.Marshal(p)
	if err != nil || len(text) > textSize {
		return // only a message gets poorer
	}
	atomic.StoreUint32(&s.length, 0) // nobody is to read half of it
	copy(s.text[:], text)
	atomic.StoreUint32(&s.length, uint32(len(text)))
}

// Death is how and where a process died.
type Death struct {
	Signal unix.Signal // 0: the handler did not run
	Thread string      // of the emulated ones; "" for none that is known
	PC     uint64      // the guest's, 0 for unknown
	Addr   uint64      // that could not be accessed by the process itself
	HostPC uint64
	Process
}

// Death tells how the process has died, and where it was: in the engine of the thread
// that got the signal, or else in the first one that was running. It is to be asked when
// the process is dead. Without a record nothing is known.
func (r *Record) Death() Death {
	var d Death
	if r == nil {
		return d
	}
	h := r.Head()
	at := -1
	if atomic.LoadUint32(&h.Died) != 0 {
		d.Signal, d.Addr, d.HostPC = unix.Signal(h.Signal), h.Addr, h.HostPC
		at = int(h.Engine)
	}
	if at < 0 || at >= Engines {
		at = r.running()
	}
	if at < 0 {
		return d
	}
	s := r.slot(at)
	d.PC = s.PC
	if n := atomic.LoadUint32(&s.length); n <= textSize {
		if json.Unmarshal(s.text[:n], &d.Process) != nil {
			d.Process = Process{} // it died while it was writing
		}
	}
	switch t := int(s.Thread); {
	case t >= 0 && t < len(d.Threads):
		d.Thread = d.Threads[t]
	case t >= 0:
		d.Thread = fmt.Sprintf("thread %d", t) // made since
	}
	return d
}

// Running tells whether the engine of a slot runs at present.
func (r *Record) Running(number int) bool {
	s := r.slot(number)
	return atomic.LoadUint32(&s.used) != 0 && atomic.LoadUint32(&s.Running) != 0
}

// running is the first engine that was running, or else the first that ever ran; -1 for
// none.
func (r *Record) running() int {
	last := -1
	for i := range Engines {
		s := r.slot(i)
		switch {
		case s.used == 0 || s.Thread < 0:
		case s.Running != 0:
			return i
		case last < 0:
			last = i
		}
	}
	return last
}
