package disasm

import (
	"fmt"
	"slices"

	"emurace/loader"
)

// Inst is one decoded instruction.
type Inst struct {
	Addr uint64 // where it lies
	Len  int    // its length in bytes: 4 on arm64, 1 to 15 on amd64
	Text string // as objdump prints it, with the symbols of branch targets
	Op   string // the mnemonic without prefixes and operands, as in Text

	Mem []MemOperand // memory it reads or writes; an address merely computed (lea) is not in it

	// Dst and Src are the registers written and read, by canonical name and
	// without repeats. Dst is in operand order, a base register that is
	// written back coming last. Registers that only form an address are in Src. An amd64 instruction that merely uses rip is not said to
	// read it.
	Dst, Src []string

	// Partial lists the registers of Dst of which a part keeps its old value:
	// al in mov al, 1, the other bits in movk or bfi, the other lanes of a
	// vector. A partial write alone does not put the register into Src.
	Partial []string

	// Moves says where values come from, as far as the instruction hands on
	// unchanged bytes. A register of Dst in no Move was computed from Src.
	Moves []Move

	Call       bool // branches and leaves a return address: bl, blr, call
	Ret        bool // returns: ret
	Branch     bool // may go elsewhere than to the next instruction; calls and returns too
	CondBranch bool // may also go on with the next instruction
	Target     uint64
	Repeat     bool // amd64 rep prefix: Mem and Moves show one iteration, rcx counts them
	Undecoded  bool // unknown: Text is .inst or .byte, and nothing else is known but Len
}

// MemOperand is one piece of memory that an instruction accesses.
type MemOperand struct {
	Base  string // register, "" without
	Index string // register, "" without
	// Scale multiplies Index; it is 1, 2, 4 or 8, and for arm64 vector
	// accesses 16. It is 0 without an Index.
	Scale uint8
	// Disp is added in bytes. With neither Base nor Index it is the address:
	// what the encoding gives relative to the instruction is resolved here.
	Disp int64
	Size int // bytes accessed, 0 when the encoding does not say (xsave, dc zva)

	Read, Write bool

	// PreIndex and PostIndex say that the instruction also writes the
	// address plus displacement to Base: before the access, so that it uses
	// that address, or after.
	PreIndex, PostIndex bool

	// Segment is "fs" or "gs" when the address is relative to that segment's
	// base, which Address asks for as "fs_base" or "gs_base".
	Segment string

	// IndexBits is 32 when only the low half of Index is used, extended by
	// zeros or, with IndexSigned, by its sign; 8 for the lowest byte, as xlat
	// has it. It is 64 otherwise, and 0 without an Index.
	IndexBits   uint8
	IndexSigned bool
	// Addr32 marks amd64's 32-bit address size: the sum is cut to 32 bits
	// before a segment base is added.
	Addr32 bool
}

// Address computes the effective address from the values that the registers
// have before the instruction. regs returns a register's value by canonical
// name, or false when it has none to give; then, and for vectors of addresses
// (amd64 gathers), Address returns false.
func (m MemOperand) Address(regs func(name string) (uint64, bool)) (uint64, bool) {
	var addr uint64
	if m.Base != "" {
		v, ok := regs(m.Base)
		if !ok {
			return 0, false
		}
		addr = v
	}
	// A post-index is added to the base only when the access is done.
	if !m.PostIndex {
		addr += uint64(m.Disp)
		if m.Index != "" {
			if m.vectorIndex() {
				return 0, false
			}
			v, ok := regs(m.Index)
			if !ok {
				return 0, false
			}
			switch {
			case m.IndexBits == 8:
				v = uint64(uint8(v))
			case m.IndexBits == 32 && m.IndexSigned:
				v = uint64(int64(int32(v)))
			case m.IndexBits == 32:
				v = uint64(uint32(v))
			}
			addr += v * uint64(m.Scale)
		}
	}
	if m.Addr32 {
		addr = uint64(uint32(addr))
	}
	if m.Segment != "" {
		v, ok := regs(m.Segment + "_base")
		if !ok {
			return 0, false
		}
		addr += v
	}
	return addr, true
}

func (m MemOperand) vectorIndex() bool {
	return len(m.Index) > 3 && m.Index[:3] == "xmm"
}

// MoveKind tells the kinds of Move apart.
type MoveKind uint8

// The kinds of Move: register to register, memory to register, register (or a
// constant) to memory, and a constant to a register.
const (
	Copy MoveKind = iota + 1
	Load
	Store
	Const
)

// String returns the kind's name in lower case.
func (k MoveKind) String() string {
	switch k {
	case Copy:
		return "copy"
	case Load:
		return "load"
	case Store:
		return "store"
	case Const:
		return "const"
	}
	return fmt.Sprintf("MoveKind(%d)", uint8(k))
}

// Move is one value that an instruction hands on unchanged, but for an
// extension with zeros or the sign. A store of stxr is listed although it
// takes place only if the exclusive monitor allows it; one of cas or cmpxchg
// is not, as its value may also stay what it was.
type Move struct {
	Kind   MoveKind
	Dst    string // register written: Copy, Load, Const
	Src    string // register read: Copy, and Store unless a constant is stored
	Mem    int    // index into Inst.Mem: Load, Store
	Offset int    // bytes from that operand's address: Load, Store
	Size   int    // bytes moved
	Signed bool   // the sign fills the rest of Dst, which zeros do otherwise
	Value  uint64 // Const, and Store without Src
}

// Canonical returns the name of the whole register that a name, in lower case,
// stands for: x3 for w3, v3 for q3, rax for al, xmm1 for ymm1. It returns ""
// for what names no register, and for the zero register, which is none.
func Canonical(arch loader.Arch, name string) string {
	switch arch {
	case loader.ARM64:
		return canonicalARM64(name)
	case loader.AMD64:
		return canonicalAMD64(name)
	}
	return ""
}

// symbolizer names an address: it returns the symbol that addr lies in and the
// symbol's own address, or "" when there is none.
type symbolizer func(addr uint64) (name string, start uint64)

// Decode decodes the instruction that code begins with and that lies at pc.
// code may be longer. symbol may be nil. An encoding that is not known is no
// error but an Inst with Undecoded set; errors are an invalid arch and code
// that ends within the instruction.
func Decode(arch loader.Arch, code []byte, pc uint64, symbol func(uint64) (string, uint64)) (Inst, error) {
	if symbol == nil {
		symbol = func(uint64) (string, uint64) { return "", 0 }
	}
	switch arch {
	case loader.ARM64:
		return decodeARM64(code, pc, symbol)
	case loader.AMD64:
		return decodeAMD64(code, pc, symbol)
	}
	return Inst{}, fmt.Errorf("disassemble: unknown architecture %v", arch)
}

// location formats an address as gdb does: 0x1234 <name+8>.
func location(addr uint64, symbol symbolizer) string {
	name, start := symbol(addr)
	switch {
	case name == "":
		return fmt.Sprintf("%#x", addr)
	case start == addr:
		return fmt.Sprintf("%#x <%s>", addr, name)
	}
	return fmt.Sprintf("%#x <%s+%d>", addr, name, addr-start)
}

// reads and writes add registers unless they are there already; "" is none.
func (in *Inst) reads(names ...string)  { in.Src = addNames(in.Src, names) }
func (in *Inst) writes(names ...string) { in.Dst = addNames(in.Dst, names) }
func (in *Inst) merges(names ...string) {
	in.Dst = addNames(in.Dst, names)
	in.Partial = addNames(in.Partial, names)
}

func addNames(list, names []string) []string {
	for _, n := range names {
		if n != "" && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

// access adds a memory operand with the registers of its address and returns
// its index.
func (in *Inst) access(m MemOperand) int {
	if m.IndexBits == 0 && m.Index != "" {
		m.IndexBits = 64
	}
	in.reads(m.Base, m.Index)
	in.Mem = append(in.Mem, m)
	return len(in.Mem) - 1
}

// load records that Size bytes of memory operand mem, from offset on, go to
// dst. A load to no register (xzr) is not recorded.
func (in *Inst) load(dst string, mem, offset, size int, signed bool) {
	if dst == "" {
		return
	}
	in.writes(dst)
	in.Moves = append(in.Moves, Move{Kind: Load, Dst: dst, Mem: mem, Offset: offset, Size: size, Signed: signed})
}

// store is load's inverse; src "" stores zero, as xzr and wzr do.
func (in *Inst) store(src string, mem, offset, size int) {
	in.reads(src)
	in.Moves = append(in.Moves, Move{Kind: Store, Src: src, Mem: mem, Offset: offset, Size: size})
}
