package emu

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"unsafe"

	"emurace/emu/internal/linux"
	"emurace/emu/internal/shim"
)

// LogEntry is one access of the access log.
type LogEntry = shim.Access

// Log is a part of the access log.
type Log = shim.Log

// Kinds of log entries.
const (
	LogRead   = shim.AccessRead
	LogWrite  = shim.AccessWrite
	LogKernel = shim.AccessKernel
	LogPoke   = shim.AccessPoke // nobody's access, which is never handed out
	LogZero   = shim.AccessZero // the kernel zeroed what was not zero, as of pages that it took away
)

// Log is every memory access since logging began with the first mark, oldest
// first. It is valid until the machine runs, rewinds or closes.
func (p *Process) Log() Log { return p.eng.Log() }

// LogLen is the number of entries of the log.
func (p *Process) LogLen() int { return p.eng.LogLen() }

var zeroPage [shim.PageSize]byte

// Digest is the SHA-256, in hex, of everything that a run can have changed:
// each thread's status and registers, SIMD ones included, the kernel's state,
// each mapping and every byte in it, the files that the process has made or changed,
// what was printed, and the access log from entry `from` on.
// Pages of zeros count by their absence, so it does not matter which of them
// the host has touched.
func (m *Machine) Digest(from int) (string, error) {
	h := sha256.New()
	word := func(vs ...uint64) {
		var b []byte
		for _, v := range vs {
			b = le.AppendUint64(b, v)
		}
		h.Write(b) // a hash never fails to write
	}
	s := m.kernel.State()
	word(m.Steps(), s.Brk, s.Advanced, s.Random, uint64(s.NextTID), uint64(len(m.st.threads)))
	for t := range m.st.threads {
		task := s.Tasks[t]
		word(uint64(task.TID), uint64(task.Status), task.ClearTID, task.SigMask)
		h.Write(task.AltStack[:])
		if task.Pending != 0 {
			word(task.Pending)
		}
		if task.Made != 0 || task.Name != [16]byte{} {
			word(uint64(task.Made))
			h.Write(task.Name[:])
		}
		if !m.hasRegisters(t) {
			continue
		}
		regs, err := m.eng.ReadRegs(t)
		if err != nil {
			return "", err
		}
		h.Write(regs)
		if pc, stores := m.Held(t); pc != 0 {
			word(pc)
			for _, st := range stores {
				word(st.Addr, st.Value, uint64(st.Size))
			}
		}
	}
	for _, w := range s.Waiters {
		word(uint64(w.Thread), w.Addr, uint64(w.Mask), w.Deadline)
	}
	for _, f := range s.FDs {
		word(uint64(f.Kind), uint64(f.Offset), f.Flags, uint64(f.Shared), uint64(len(f.Path)))
		h.Write([]byte(f.Path))
		if f.Object != 0 {
			word(f.Object)
		}
	}
	s.HashObjects(h)
	if s.Pending != 0 {
		word(s.Pending)
	}
	for sig := range linux.MaxSignal + 1 {
		if handler, ok := s.Handlers[sig]; ok {
			word(uint64(sig))
			h.Write(handler[:])
		}
	}
	for _, v := range s.VMAs {
		word(v.Start, v.End, uint64(v.Prot), v.Offset, uint64(len(v.Path)))
		h.Write([]byte(v.Path))
		m.hashPages(h, v.Start, v.End-v.Start)
	}
	s.HashFiles(h)
	for _, o := range s.Output() {
		word(uint64(o.FD), uint64(o.Thread), uint64(len(o.Data)))
		h.Write(o.Data)
	}
	for part := range m.Log().From(min(from, m.LogLen())).Parts() {
		hashLog(h, part)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// hashLog leaves out what the kernel zeroed, which follows from the system calls: traces
// from before that was logged have the same digest. It takes accesses and no ranges, which
// traces from before these did not have.
func hashLog(h hash.Hash, log []LogEntry) {
	for len(log) > 0 {
		n := slices.IndexFunc(log, func(a LogEntry) bool { return a.Kind == LogZero })
		if n < 0 {
			n = len(log)
		}
		if n > 0 {
			h.Write(unsafe.Slice((*byte)(unsafe.Pointer(&log[0])), n*int(unsafe.Sizeof(log[0]))))
		}
		log = log[min(n+1, len(log)):]
	}
}

func (m *Machine) hashPages(h hash.Hash, start, size uint64) {
	used := m.eng.Used(start, size)
	for i, u := range used {
		if u != shim.Touched {
			continue
		}
		addr := start + uint64(i)*shim.PageSize
		page := m.eng.View(addr, shim.PageSize)
		if string(page) == string(zeroPage[:]) {
			continue
		}
		var b [8]byte
		le.PutUint64(b[:], addr)
		h.Write(b[:])
		h.Write(page)
	}
}
