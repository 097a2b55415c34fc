package flow

import (
	"fmt"
	"slices"
	"strings"

	"emurace/disasm"
)

// maxCode bounds the code of a function, in bytes.
const maxCode = 64 << 10

// instruction is one of a function's, with what Inst does not have.
type instruction struct {
	disasm.Inst
	sums []sum
	next []uint64 // where it goes on within the function
	tail uint64   // another function that it jumps to, 0 for none
	// jumps says that it jumps to where a register or memory says.
	jumps bool
}

// after is the address after the instruction.
func (in *instruction) after() uint64 { return in.Addr + uint64(in.Len) }

// maxBlocks bounds the blocks of a function.
const maxBlocks = 8 << 10

// block is a run of instructions that is entered at its first and left at its last one.
type block struct {
	insts    []*instruction
	from, to []*block
	in, out  *state // nil until a path reaches it
}

// function is a function's code, as far as it can be reached from its entry by branches.
type function struct {
	entry, end uint64 // end is where its symbol ends, 0 for not known
	name       string
	problem    string // why nothing is said of it, "" for nothing
	insts      map[uint64]*instruction
	blocks     []*block          // the entry's first
	at         map[uint64]*block // by the address of each instruction
	symbols    []symbol
	index      map[symbol]int32
	sources    map[int32][]source
	tables     int           // how often tables of jumps led to more code
	changes    map[int32]int // of sources
	moments    map[*instruction]moment
}

// function is the one that a frame is in, nil for none that is known.
func (fl *Flow) function(f *Frame) *function {
	at := f.PC
	if f.Return {
		at--
	}
	return fl.functionAt(at)
}

// functionAt is the function that an address lies in.
func (fl *Flow) functionAt(at uint64) *function {
	m, ok := fl.space.Module(at)
	if !ok || m.Image == nil {
		return nil
	}
	sym, _, ok := m.Image.SymbolAt(at - m.Base)
	if !ok || !sym.Function() {
		return nil
	}
	// Compilers move what runs seldom out of a function.
	if i := strings.Index(sym.Name, ".cold"); i >= 0 {
		list := m.Image.Named(sym.Name[:i])
		if len(list) != 1 {
			return nil
		}
		sym = list[0]
	}
	entry := m.Base + sym.Addr
	if fn := fl.functions[entry]; fn != nil {
		return fn
	}
	fn := &function{entry: entry, name: sym.Name}
	if sym.Size != 0 {
		fn.end = entry + sym.Size
	}
	fl.functions[entry] = fn
	fl.analyse(fn)
	for _, in := range fn.insts {
		if in.Call && fn.problem == "" && twice[fl.callee(in)] {
			fn.problem = "it calls what returns twice"
		}
	}
	if fn.problem == "" && (fl.fallen(fn) || fl.shared(fn, m)) {
		fn.problem = "other code leads into it"
	}
	return fn
}

// maxTables bounds the tables of jumps of a function, one within the cases of another.
const maxTables = 8

// analyse finds a function's code and the state before each block. Where a table of jumps leads is
// known only by the states before it, and so that is done again until nothing new is found.
func (fl *Flow) analyse(fn *function) {
	fn.insts = map[uint64]*instruction{}
	for work := []uint64{fn.entry}; fn.problem == ""; {
		fl.explore(fn, work)
		if fn.problem != "" {
			return
		}
		if fn.divide(); len(fn.blocks) > maxBlocks {
			fn.problem = "its paths are too many"
			return
		}
		if fl.solve(fn); fn.problem != "" {
			return
		}
		if work = fl.jumps(fn); work == nil {
			return
		}
		if fn.tables++; fn.tables > maxTables {
			fn.problem = unknownJump
		}
	}
}

// explore decodes the code that can be reached from some addresses.
func (fl *Flow) explore(fn *function, work []uint64) {
	size := 0
	for _, in := range fn.insts {
		size += in.Len
	}
	for len(work) > 0 && fn.problem == "" {
		addr := work[len(work)-1]
		work = work[:len(work)-1]
		for fn.insts[addr] == nil {
			in, ok := fl.decode(addr)
			if !ok {
				fn.problem = fmt.Sprintf("no code is known at %#x", addr)
				return
			}
			if size += in.Len; size > maxCode {
				fn.problem = "it is too large"
				return
			}
			fn.insts[addr] = in
			falls := fl.successors(fn, in)
			if n := len(in.next); n > 0 {
				work = append(work, in.next...)
			}
			if !falls {
				break
			}
			addr = in.after()
		}
	}
}

// decode decodes one instruction.
func (fl *Flow) decode(addr uint64) (*instruction, bool) {
	var code []byte
	for n := uint64(fl.abi.maxLength); n > 0 && code == nil; n-- {
		code, _ = fl.space.Read(addr, n)
	}
	if code == nil {
		return nil, false
	}
	d, err := disasm.Decode(fl.abi.arch, code, addr, nil)
	if err != nil || d.Undecoded && fl.abi == amd64 {
		return nil, false
	}
	in := &instruction{Inst: d}
	if fl.abi == amd64 {
		in.sums = sumsAMD64(code)
	} else {
		in.sums = sumsARM64(&d, code)
	}
	return in, true
}

// ends are instructions after which nothing runs.
var ends = map[string]bool{"ud2": true, "hlt": true, "int3": true, "int1": true, "udf": true, "brk": true, "ud1": true, "ud0": true}

// successors fills in where an instruction goes on, and tells whether that is the next one.
func (fl *Flow) successors(fn *function, in *instruction) (falls bool) {
	falls = !in.Branch || in.CondBranch
	switch {
	case in.Call:
		falls = !noReturn[fl.callee(in)] && (fn.end == 0 || in.after() != fn.end)
	case in.Ret:
	case in.Branch && in.Target == 0:
		in.jumps = true
	case in.Branch:
		if fl.leaves(fn, in.Target) {
			in.tail = in.Target
		} else {
			in.next = append(in.next, in.Target)
		}
	case ends[in.Op]:
		falls = false
	}
	if falls && !slices.Contains(in.next, in.after()) {
		in.next = append(in.next, in.after())
	}
	return falls
}

// leaves tells whether a jump goes to another function.
func (fl *Flow) leaves(fn *function, target uint64) bool {
	if target >= fn.entry && target < fn.end || target == fn.entry {
		return false
	}
	name, off, ok := fl.space.Symbol(target)
	return ok && off == 0 && !strings.Contains(name, ".cold")
}

// noReturn are functions that do not return: what follows a call of theirs belongs to something
// else.
var noReturn = map[string]bool{
	"abort": true, "exit": true, "_exit": true, "_Exit": true, "quick_exit": true, "__stack_chk_fail": true, "__fortify_fail": true, "__chk_fail": true,
	"__assert_fail": true, "__assert": true, "__assert_perror_fail": true, "__libc_fatal": true, "__libc_message": false, "malloc_printerr": true,
	"longjmp": true, "_longjmp": true, "siglongjmp": true, "__longjmp": true, "__longjmp_chk": true, "pthread_exit": true, "__pthread_unwind": true,
	"__cxa_throw": true, "__cxa_rethrow": true, "_Unwind_Resume": true, "__libc_assert_fail": true, "__malloc_assert": true, "__GI_abort": true,
	"__GI__exit": true, "__GI_exit": true, "__GI___fortify_fail": true, "__GI___libc_fatal": true, "__GI___assert_fail": true, "__stack_chk_fail_local": true,
}

// twice are functions that return more than once: what the frame has at the second time is not
// what it had at the first.
var twice = map[string]bool{
	"setjmp": true, "_setjmp": true, "sigsetjmp": true, "__sigsetjmp": true, "__GI___sigsetjmp": true, "getcontext": true, "__getcontext": true,
	"vfork": true, "__vfork": true, "__libc_vfork": true, "savectx": true,
}

// callee is the name of the function that a call calls, "" where the code does not say it.
func (fl *Flow) callee(in *instruction) string {
	target := in.Target
	for i := range in.Mem {
		if m := &in.Mem[i]; m.Read && m.Base == "" && m.Index == "" && m.Segment == "" {
			target, _ = fl.word(uint64(m.Disp))
		}
	}
	if target == 0 {
		return ""
	}
	name, off, ok := fl.space.Symbol(fl.through(target))
	if !ok || off != 0 {
		return ""
	}
	return name
}

// divide makes the blocks.
func (fn *function) divide() {
	leaders := map[uint64]bool{fn.entry: true}
	for _, in := range fn.insts {
		if in.Branch || len(in.next) != 1 || in.next[0] != in.after() {
			for _, next := range in.next {
				leaders[next] = true
			}
		}
	}
	var starts []uint64
	for addr := range leaders {
		starts = append(starts, addr)
	}
	slices.Sort(starts)
	fn.at, fn.blocks = map[uint64]*block{}, nil
	heads := map[uint64]*block{}
	for _, addr := range starts {
		b := &block{}
		for in := fn.insts[addr]; in != nil; in = fn.insts[in.after()] {
			b.insts = append(b.insts, in)
			fn.at[in.Addr] = b
			if in.Branch || len(in.next) == 0 || leaders[in.after()] {
				break
			}
		}
		heads[addr] = b
		fn.blocks = append(fn.blocks, b)
	}
	for _, b := range fn.blocks {
		for _, next := range b.insts[len(b.insts)-1].next {
			if to := heads[next]; !slices.Contains(b.to, to) {
				b.to = append(b.to, to)
				to.from = append(to.from, b)
			}
		}
	}
	fn.order(heads[fn.entry])
}

// order sorts the blocks so that, loops aside, each stands behind those before it.
func (fn *function) order(entry *block) {
	type visit struct {
		b    *block
		next int
	}
	seen := map[*block]bool{entry: true}
	var done []*block
	for stack := []visit{{b: entry}}; len(stack) > 0; {
		top := &stack[len(stack)-1]
		if top.next == len(top.b.to) {
			done = append(done, top.b)
			stack = stack[:len(stack)-1]
			continue
		}
		to := top.b.to[top.next]
		top.next++
		if !seen[to] {
			seen[to] = true
			stack = append(stack, visit{b: to})
		}
	}
	slices.Reverse(done)
	fn.blocks = done
}

// head is a block's address.
func (b *block) head() uint64 { return b.insts[0].Addr }
