package emu

import (
	"bytes"
	"fmt"
	"path"

	"emurace/emu/internal/linux"
	"emurace/emu/internal/shim"
	"emurace/loader"
)

// Limits of one machine: how many threads it has at a time, and how many one after the other.
const (
	MaxThreads = shim.MaxThreads
	MostMade   = shim.MostMade
	// StaticData is the program's own data, in bytes: what Alloc gives.
	StaticData = 1 << 20
	maxOutput  = 1 << 20 // that is kept; see OutputLimit
	maxFDs     = 256
)

// Options say what process to make.
type Options struct {
	System *System
	Env    []string // the process's environment, NAME=value
	// BindNow makes ld.so find each function that a library calls when it loads the
	// library, and not when it is first called: ld.so sees LD_BIND_NOW=1 behind the
	// environment. When the process has booted, that is not in its environment any
	// more. Musl never does otherwise.
	BindNow bool
	// NoLSE keeps from an arm64 process that its processor has the atomic instructions of the Large
	// System Extensions (HWCAP_ATOMICS): glibc uses exclusives then.
	NoLSE bool
	// Libs are libraries to load beside libc.so.6, in order, by DT_NEEDED name:
	// one is looked for as ld.so does it, a path with a slash is the file.
	Libs []string
	// LibDirs are folders in which ld.so looks first for libraries, also for those that
	// libraries need.
	LibDirs []string
	Seed    uint64 // of AT_RANDOM and getrandom
	// Memory is what the process may take of the host's memory, in bytes: 4 KiB for each
	// page that it touches before the first mark, and 20 KiB for each further one, of whose
	// bytes more is kept. A page counts until the machine is rewound to before, also when it
	// was unmapped. 0 is DefaultMemory. See MemoryLimit.
	Memory uint64
	// Files are regular files beside those of the sysroot, or in their place, by
	// absolute path in its shortest form; the folders above them need not be there.
	// At most 256 files and 64 MiB. The bytes must not change any more.
	Files map[string][]byte
	// Folders are folders of the host's, by the absolute path, in its shortest form, that
	// the process sees them at; what it writes there stays in its memory. At most 64, of
	// which none lies in another one. Files may lie in them.
	Folders map[string]*Folder
}

// Machine is one emulated process: a program that does nothing of its own, the
// libraries the guest's ld.so loaded for it, and threads that make calls. It is
// not safe for concurrent use; machines are independent of each other.
//
// What can be seen of it are the methods of Process; those of Machine itself change it.
type Machine struct{ Process }

// Process is a machine as somebody sees it who looks at it and does not change it: its
// memory, threads, registers, modules, and the log; and who is told of the calls that it
// makes. It goes on as if nobody had looked.
type Process struct {
	machine *Machine // the one that this is of; for resolvers, which run

	sys     *System
	number  int64    // among those of its System, counted from 1
	files   *overlay // what the process sees of them, and those it was given
	arch    *arch
	eng     *shim.Engine
	halving bool // see RunHalf
	kernel  *linux.Kernel
	libs    []string
	events  bool         // see WantEvents
	traces  []*callTrace // see TraceCalls
	naming  *callTrace   // see NameCalls, one of traces
	statics []Static     // by address; see NameData
	// following is that of FollowCalls, one of traces.
	following *callTrace
	finder    *finder         // see TraceWords
	stops     map[uint64]bool // see StopAt
	gates     map[uint64]bool // see GateAt
	gate      func(t int) bool
	awaits    bool // see AwaitThread
	loading   bool // see AwaitLoad
	awaited   bool // what one of them waits for has happened

	missing map[missingCall]*UnknownCall // see unknownCalls

	counted  []Counted // by traces at the present breakpoint; see CountWrite
	countErr error
	remapped []shim.Bytes // by the last system call
	mapped   []uint64     // where it has mapped something
	fresh    []Fresh      // see Fresh
	frame    *Frame       // see Frame
	clockErr error        // of reading a clock in the present one
	effects  uint64       // see Effects
	faulted  bool         // the last instruction has raised a signal that has a handler, and not happened
	cost     uint64       // since it was last asked whether to go on; see ask

	interrupts interrupts

	program  *Module // see Program
	routines *Module // the part of the made-up program that can be called, nil without one
	linker   string  // guest path of the dynamic linker's file
	auxv     []byte  // see Auxv
	stack    uint64  // where the first stack begins: argc, argv, the environment

	entry, ret, start  uint64 // the traps of the program's code
	main               uint64 // another one; see runInit
	dataStart, dataEnd uint64
	st                 state
	kept               bool // marks have its threads too
	modules            []*Module
	modulesOf          []linux.VMA
}

// state is what changes beside memory, registers and the kernel's own.
type state struct {
	threads []Thread
	end     *End
	data    uint64 // next free byte of static data
	// loads are the guest paths of the images that system calls have mapped, in
	// order; a mark keeps a beginning of it.
	loads  []string
	missed []UnknownCall // see Missed
}

// New makes a process and runs it up to the program's entry: libraries loaded
// and relocated, their constructors run, one idle thread called main.
func New(o Options) (*Machine, error) {
	m := newMachine(o.System)
	if o.NoLSE && m.arch.id == loader.ARM64 {
		older := *m.arch
		older.hwcap &^= arm64Atomics
		m.arch = &older
	}
	if err := m.boot(o); err != nil {
		m.Close()
		return nil, fmt.Errorf("boot %v from %s: %w", m.arch.id, o.System.Root.Dir(), err)
	}
	m.logStart()
	return m, nil
}

func newMachine(sys *System) *Machine {
	m := &Machine{Process{sys: sys, arch: archOf(sys.Arch), number: sys.made.Add(1)}}
	m.machine = m
	return m
}

// Close frees the machine.
func (m *Machine) Close() {
	if m.eng != nil {
		m.eng.Close()
		m.eng = nil
	}
}

// Arch is the guest's architecture.
func (p *Process) Arch() loader.Arch { return p.arch.id }

// System is where the process's files come from.
func (p *Process) System() *System { return p.sys }

// Steps is how many instructions have completed on all threads together.
func (p *Process) Steps() uint64 { return p.eng.Steps() }

// opened lets a test set up engines before anything runs on them.
var opened func(*shim.Engine)

// resources are what a process is given, whatever it runs.
type resources struct {
	memory uint64            // see Options.Memory
	files  map[string][]byte // see Options.Files
	seed   uint64            // see Options.Seed
	print  func(fd int, data []byte)

	folders map[string]*Folder // see Options.Folders
	input   []byte             // what standard input holds
	exe     string             // for /proc/self/exe
	plain   bool               // see linux.Kernel.Plain
}

// load makes the process as execve does; nothing of it has run.
func (m *Machine) load(o Options) error {
	if err := m.open(resources{memory: o.Memory, files: o.Files, seed: o.Seed, folders: o.Folders, exe: programPath, plain: true}); err != nil {
		return err
	}
	if err := m.exec(o); err != nil {
		return err
	}
	m.describe()
	return nil
}

// open makes the engine and the kernel, with one thread and nothing mapped.
func (m *Machine) open(r resources) error {
	eng, err := shim.Open(m.arch.id, zones, true)
	if err != nil {
		return err
	}
	m.eng = eng
	if opened != nil {
		opened(eng)
	}
	if r.memory > 0 {
		eng.SetMemoryLimit(r.memory)
	}
	if m.files, err = newOverlay(m.sys, r.files, r.folders); err != nil {
		return err
	}
	if m.arch.monitor != nil {
		if err := m.findMonitor(); err != nil {
			return err
		}
	}
	if err := eng.AddThread(0, -1); err != nil {
		return err
	}
	m.kernel = linux.New(linux.Kernel{
		Arch: m.arch.id, Memory: memory{eng, m, &m.remapped}, Threads: (*threads)(m), Files: m.files, Seed: r.seed, Print: r.print,
		Limits: linux.Limits{Threads: MaxThreads, Made: MostMade, Output: maxOutput, Files: maxFDs}, Exe: r.exe, Input: r.input, Plain: r.plain,
	}, linux.Layout{MmapTop: mmapTop, MmapEnd: mmapEnd, Top: stackTop})
	m.st.threads = []Thread{{Name: "main"}}
	return nil
}

func (m *Machine) boot(o Options) error {
	if err := m.load(o); err != nil {
		return asLimit(err)
	}
	s, err := m.runAlone(0)
	if err != nil {
		return err
	}
	if err := m.unfinished(s, ""); err != nil {
		return err
	}
	if pc, err := m.PC(0); s.Kind != Trapped || err != nil || pc != m.entry {
		if missing := missingLibrary(m.printed()); missing != nil {
			return missing
		}
		return fmt.Errorf("the program's entry was not reached: %v%s%s", s, m.where(s), m.lastOutput())
	}
	if o.bindsNow() {
		if err := m.hideLastVariable(o); err != nil {
			return err
		}
	}
	if err := m.makeIdle(0); err != nil || m.sys.Libc != loader.Musl {
		return err
	}
	return m.runInit()
}

// where is the place in a library at which the first thread has stopped, as text behind what stopped
// it; "" outside of all.
func (m *Machine) where(s Stop) string {
	pc, err := m.PC(0)
	if s.End != nil {
		pc, err = s.End.PC, nil
	}
	mod, ok := m.Module(pc)
	if err != nil || !ok {
		return ""
	}
	return fmt.Sprintf(" at %s+%#x", path.Base(mod.Path), pc-mod.Base)
}

// runInit makes the call that a program's entry code makes to start the C library,
// and runs it up to the function main. Glibc's dynamic linker has done all that
// matters before: it runs the constructors itself. Musl leaves them, and some of its
// own state, to __libc_start_main (src/env/__libc_start_main.c), which is then never
// left: what main returns would end the process.
func (m *Machine) runInit() error {
	const function = "__libc_start_main"
	start, err := m.Lookup(function)
	if err != nil {
		return err
	}
	argc := m.st.threads[0].home // the stack as the kernel has made it
	if err := m.Begin(0, start, function, m.main, 1, argc+8, 0, 0, 0); err != nil {
		return err
	}
	s, err := m.runAlone(0)
	if err != nil {
		return err
	}
	if err := m.unfinished(s, function); err != nil {
		return err
	}
	if pc, err := m.PC(0); s.Kind != Trapped || err != nil || pc != m.main {
		return fmt.Errorf("the program's main was not reached: %v%s", s, m.lastOutput())
	}
	m.ForgetCall(0)
	return m.makeIdle(0)
}

// findMonitor shows the engine where arm64's exclusive monitor is, on a page
// that is gone afterwards.
func (m *Machine) findMonitor() error {
	const page = 0x10000
	if err := m.eng.SetPages(page, shim.PageSize, shim.Read|shim.Exec|shim.Mapped); err != nil {
		return err
	}
	if err := m.eng.Store(0, page, m.arch.monitor); err != nil {
		return err
	}
	if err := m.eng.FindMonitor(page); err != nil {
		return err
	}
	return memory{m.eng, m, &m.remapped}.Unmap(page, shim.PageSize)
}

// lastOutput is the last line that the process printed, for an error.
func (p *Process) lastOutput() string {
	all := bytes.TrimSpace(p.printed())
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("; it said: %q", all[bytes.LastIndexByte(all, '\n')+1:])
}

func (p *Process) printed() []byte {
	var all []byte
	for _, c := range p.Output() {
		all = append(all, c.Data...)
	}
	return all
}

// Output is what the process wrote to standard output and error.
func (p *Process) Output() []linux.Chunk { return p.kernel.State().Output() }
