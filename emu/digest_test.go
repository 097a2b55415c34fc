package emu

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"

	"emurace/emu/internal/shim"
)

// A digest is that of a log with an entry of 48 bytes for every eight bytes that the kernel
// has written or read, from the first byte on, without those that it has zeroed: that is
// what traces have.
func TestDigestOfRanges(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		content := make([]byte, 9001)
		for i := range content {
			content[i] = byte(i*7) | 1
		}
		p = bootWith(t, "bookworm", p.Arch(), Options{Files: map[string][]byte{"/file": content}})
		to, before := p.bytes(make([]byte, 9100)), make([]byte, len(content))
		fd := p.call(0, "open", p.str("/file"), 0)
		p.mark()
		from := p.LogLen()
		if n := p.call(0, "read", fd, to+3, 9001); n != 9001 {
			t.Fatalf("%d bytes are read", n)
		}
		p.call(0, "write", 1, to+3, 9001)
		mapped := p.call(0, "mmap", 0, 9001, 3, 2, fd, 0)
		p.call(0, "munmap", mapped, 9001)
		log := p.Log().From(from)
		if log.Len() > len(content)/8 {
			t.Errorf("the log has %d entries, and no ranges", log.Len())
		}
		list := log.List()
		for _, c := range []struct {
			addr   uint64
			kind   shim.AccessKind
			before []byte
		}{{to + 3, LogKernel, before}, {to + 3, LogRead, content}, {mapped, LogKernel, before}, {mapped, LogZero, content}} {
			k := slices.IndexFunc(list, func(a LogEntry) bool { return a.Addr == c.addr && a.Kind == c.kind })
			if k < 0 {
				t.Fatalf("there is nothing of %v at %#x", c.kind, c.addr)
			}
			for i := 0; i < len(content); i += 8 {
				var old, value [8]byte
				n := copy(old[:], c.before[i:])
				if copy(value[:], content[i:]); c.kind == LogZero {
					n, value = 8, [8]byte{} // to the page's end, and these words are not zero
				}
				want := list[k]
				want.Addr, want.Size = c.addr+uint64(i), uint8(n)
				want.Old, want.Value = binary.LittleEndian.Uint64(old[:]), binary.LittleEndian.Uint64(value[:])
				if got := list[k+i/8]; got != want {
					t.Fatalf("byte %d: %+v, want %+v", i, got, want)
				}
			}
		}
		parts, plain := sha256.New(), sha256.New()
		for part := range log.Parts() {
			hashLog(parts, part)
		}
		for _, a := range list {
			if a.Kind == LogZero {
				continue
			}
			var b []byte
			for _, v := range []uint64{a.Step, a.PC, a.Addr, a.Old, a.Value} {
				b = binary.LittleEndian.AppendUint64(b, v)
			}
			b = append(b, a.Size, uint8(a.Kind))
			b = binary.LittleEndian.AppendUint16(b, a.Thread)
			plain.Write(append(b, 0, 0, 0, 0))
		}
		if string(parts.Sum(nil)) != string(plain.Sum(nil)) {
			t.Error("the digest is another one")
		}
	})
}
