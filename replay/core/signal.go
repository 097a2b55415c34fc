package core

import (
	"emurace/emu"
	"emurace/loader"
)

// Signal is what a process died of. The zero value is none: the process lives, or has
// exited.
type Signal struct {
	emu.Siginfo
	Sent bool // by the process itself
}

// Codes of include/uapi/asm-generic/siginfo.h, of signals that were sent.
const (
	siUser  = 0
	siTkill = -6
)

// signalOf is the signal that Linux gives a process that ends like this.
func signalOf(end *emu.End, arch loader.Arch, t Thread) Signal {
	s := Signal{Siginfo: end.Siginfo(arch)}
	if end.Kind == emu.EndSignal {
		s.Code, s.Sent = senderOf(arch, t), true
	}
	return s
}

// senderOf tells kill, which sends to a process, from the calls that send to a
// thread.
func senderOf(arch loader.Arch, t Thread) int {
	const arm64Kill, amd64Kill = 129, 62
	if arch == loader.ARM64 && t.word("x8") == arm64Kill || arch == loader.AMD64 && t.word("rax") == amd64Kill {
		return siUser
	}
	return siTkill
}

// info is siginfo_t.
func (s Signal) info() []byte {
	b := make([]byte, 128)
	le.PutUint32(b, uint32(s.Number))
	le.PutUint32(b[8:], uint32(int32(s.Code)))
	if s.Sent {
		le.PutUint32(b[16:], emu.ProcessID)
		le.PutUint32(b[20:], emu.UserID)
	} else {
		le.PutUint64(b[16:], s.Addr)
	}
	return b
}
