package corefile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// xzGuard hands on a stream of the .xz format, of which no block has a larger dictionary than allowed:
// who unpacks it takes as much memory as a block says. It follows blocks by the chunks of
// LZMA2 ("The .xz File Format", version 1.2.1; lzma2_decoder.c of XZ Utils), up to the index.
type xzGuard struct {
	r       *bufio.Reader
	most    uint64 // of a dictionary, in bytes
	part    []byte // that is to be handed on
	store   []byte // of part
	state   func(*xzGuard) error
	check   int    // bytes of a block's checksum
	blocked uint64 // bytes of the present block
}

func newXZGuard(r *bufio.Reader, most uint64) *xzGuard {
	return &xzGuard{r: r, most: most, state: (*xzGuard).stream}
}

// Read is of io.Reader.
func (g *xzGuard) Read(p []byte) (int, error) {
	for len(g.part) == 0 {
		if g.state == nil {
			return g.r.Read(p)
		}
		g.part = g.store[:0]
		err := g.state(g)
		g.store = g.part[:0]
		if err != nil {
			n := copy(p, g.part) // what there is of a part that is cut short
			g.part = g.part[n:]
			if n > 0 {
				g.state = func(*xzGuard) error { return err }
				return n, nil
			}
			return 0, err
		}
	}
	n := copy(p, g.part)
	g.part = g.part[n:]
	return n, nil
}

// more reads so many bytes behind what part has.
func (g *xzGuard) more(n int) ([]byte, error) {
	at := len(g.part)
	g.part = append(g.part, make([]byte, n)...)
	k, err := io.ReadFull(g.r, g.part[at:])
	g.part = g.part[:at+k]
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return g.part[at:], err
}

// refuse hands on nothing of the part that is wrong.
func (g *xzGuard) refuse(err error) error {
	g.part = g.part[:0]
	return err
}

// checks are the sizes of checksums by their kind (2.1.1.2 of the format).
var checks = [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}

// stream is the header of the stream.
func (g *xzGuard) stream() error {
	b, err := g.more(12)
	if err != nil {
		return err
	}
	g.check, g.state = checks[b[7]&15], (*xzGuard).block
	return nil
}

// block is the header of a block, or what follows the last one.
func (g *xzGuard) block() error {
	b, err := g.more(1)
	if err != nil {
		return err
	}
	if b[0] == 0 {
		g.state = nil
		return nil
	}
	size := 4*int(b[0]) + 4
	if _, err = g.more(size - 1); err != nil {
		return err
	}
	// LZMA2 is the last filter: its number, the size of its property, and that.
	h := g.part[1 : size-4]
	flags, at := h[0], 1
	for _, bit := range []byte{0x40, 0x80} {
		if flags&bit != 0 {
			at += vliSize(h[at:])
		}
	}
	for i := range int(flags&3) + 1 {
		if at+2 > len(h) {
			return g.refuse(errors.New("a block's header is damaged"))
		}
		kind, length := h[at], int(h[at+1])
		at += 2
		if i == int(flags&3) {
			if kind != 0x21 || length != 1 || at >= len(h) {
				return g.refuse(errors.New("a block is not of LZMA2"))
			}
			if n := dictionary(h[at]); n > g.most {
				return g.refuse(fmt.Errorf("its dictionary has %d MiB, and at most %d are taken", n>>20, g.most>>20))
			}
		}
		at += length
	}
	g.blocked, g.state = 0, (*xzGuard).chunk
	return nil
}

// vliSize is the length of a number of variable length.
func vliSize(b []byte) int {
	for i, v := range b {
		if v&0x80 == 0 {
			return i + 1
		}
	}
	return len(b)
}

// dictionary is the size of a dictionary by its property (5.3.1 of the format).
func dictionary(b byte) uint64 {
	if b >= 40 {
		return 1<<32 - 1
	}
	return uint64(2|b&1) << (b/2 + 11)
}

// chunk is one of LZMA2, or the end of the block with its padding and checksum.
func (g *xzGuard) chunk() error {
	b, err := g.more(1)
	if err != nil {
		return err
	}
	control, head := b[0], 2
	switch {
	case control == 0:
		g.blocked++
		g.state = (*xzGuard).block
		_, err = g.more(int(-g.blocked&3) + g.check)
		return err
	case control >= 0xc0:
		head = 5
	case control >= 0x80:
		head = 4
	case control > 2:
		return g.refuse(errors.New("a chunk of no known kind"))
	}
	if b, err = g.more(head); err != nil {
		return err
	}
	size := int(b[head/4*2])<<8 | int(b[head/4*2+1])
	if _, err = g.more(size + 1); err != nil {
		return err
	}
	g.blocked += uint64(1 + head + size + 1)
	return nil
}
