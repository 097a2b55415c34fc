package disasm

import (
	"slices"
	"strings"
	"testing"

	"emurace/loader"
)

// checkInst says what is wrong with an instruction, whatever it is, or "".
func checkInst(arch loader.Arch, in Inst, available int) string {
	shortest, longest := 4, 4
	if arch == loader.AMD64 {
		shortest, longest = 1, 15
	}
	switch {
	case in.Len < shortest || in.Len > longest || in.Len > available:
		return "length"
	case in.Text == "" || in.Op == "" || strings.TrimSpace(in.Text) != in.Text || !strings.Contains(in.Text, in.Op):
		return "text"
	case in.Undecoded && (in.Branch || len(in.Mem)+len(in.Dst)+len(in.Src)+len(in.Moves) != 0):
		return "something known of the unknown"
	case (in.Call || in.Ret || in.CondBranch || in.Target != 0) && !in.Branch:
		return "a branch that is none"
	}
	for _, m := range in.Mem {
		// The largest of all is fxsave.
		if m.Size < 0 || m.Size > 512 || !m.Read && !m.Write {
			return "memory operand"
		}
		if m.Index != "" && (m.Scale == 0 || m.Scale > 16 || m.Scale&(m.Scale-1) != 0 || m.IndexBits == 0) {
			return "index"
		}
		for _, name := range []string{m.Base, m.Index} {
			if name != "" && !slices.Contains(in.Src, name) {
				return "the address needs " + name + ", which is not in Src"
			}
		}
		if (m.PreIndex || m.PostIndex) && !slices.Contains(in.Dst, m.Base) {
			return "write-back to " + m.Base + ", which is not in Dst"
		}
	}
	for _, m := range in.Moves {
		inMemory := m.Kind == Load || m.Kind == Store
		switch {
		case m.Size < 1 || m.Size > 64:
			return "size of a move"
		case inMemory && (m.Mem < 0 || m.Mem >= len(in.Mem)):
			return "move without memory"
		case inMemory && m.Offset+m.Size > in.Mem[m.Mem].Size:
			return "move beyond its memory"
		case m.Kind == Load && !in.Mem[m.Mem].Read, m.Kind == Store && !in.Mem[m.Mem].Write:
			return "direction of a move"
		case m.Kind != Store && !slices.Contains(in.Dst, m.Dst):
			return "move to " + m.Dst + ", which is not in Dst"
		case m.Src != "" && !slices.Contains(in.Src, m.Src):
			return "move of " + m.Src + ", which is not in Src"
		}
	}
	for _, name := range in.Partial {
		if !slices.Contains(in.Dst, name) {
			return name + " is written in part but not in Dst"
		}
	}
	for _, list := range [][]string{in.Dst, in.Src, in.Partial} {
		for i, name := range list {
			if name == "" || slices.Contains(list[:i], name) {
				return "register list"
			}
			// What is no register of the machine's core (k1, fpcr) has no
			// other name.
			if whole := Canonical(arch, name); whole != "" && whole != name {
				return name + " is not the whole register"
			}
		}
	}
	return ""
}

// FuzzDecode: no bytes make it panic, and what it says is consistent.
func FuzzDecode(f *testing.F) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		for _, g := range readGolden(f, arch) {
			f.Add(g.code, g.addr, arch == loader.ARM64)
		}
	}
	f.Fuzz(func(t *testing.T, code []byte, pc uint64, arm bool) {
		arch := loader.AMD64
		if arm {
			arch = loader.ARM64
		}
		in, err := Decode(arch, code, pc, nil)
		if err != nil {
			return
		}
		if problem := checkInst(arch, in, len(code)); problem != "" {
			t.Fatalf("% x: %s: %+v", code, problem, in)
		}
		if in.Undecoded {
			return // what follows may be why
		}
		if again, err := Decode(arch, code[:in.Len], pc, nil); err != nil || again.Text != in.Text || again.Len != in.Len {
			t.Fatalf("% x: without what follows %+v, %v, not %+v", code, again, err, in)
		}
	})
}
