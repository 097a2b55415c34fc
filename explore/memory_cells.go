package explore

import (
	"encoding/binary"
	"maps"

	"emurace/explore/graph"
	"emurace/scenario"
)

// cells divides the bytes that make events into groups that no access splits. A cell lies within
// eight bytes of memory; two bytes of which accesses touch only one are in two of them. What is
// known of it only grows, within a search that is begun anew whenever it does.
type cells struct {
	shared map[uint64]uint8 // by address, a multiple of eight, which of the eight bytes make events
	cuts   map[uint64]uint8 // likewise, bytes in front of which a cell ends
	grown  bool             // an access has split a cell
}

func newCells(shared, cuts map[uint64]uint8) *cells {
	return &cells{shared: shared, cuts: maps.Clone(cuts)}
}

// of are the cells that a range of memory touches, in their order.
func (c *cells) of(addr, size uint64) (list []graph.Cell) {
	for size > 0 {
		word := addr &^ 7
		n := min(size, word+8-addr)
		list = c.inWord(list, word, uint(addr-word), uint(addr-word+n))
		addr, size = addr+n, size-n
	}
	return list
}

// inWord adds those of bytes [lo, hi) of eight bytes, where an access begins and ends.
func (c *cells) inWord(list []graph.Cell, word uint64, lo, hi uint) []graph.Cell {
	mask := c.shared[word]
	touched := mask & uint8(0xff<<lo) & uint8(0xff>>(8-hi))
	if touched == 0 {
		return list
	}
	for _, at := range []uint{lo, hi} {
		if at == 0 || at == 8 || mask>>(at-1)&1 == 0 || mask>>at&1 == 0 {
			continue // it splits nothing
		}
		if bit := uint8(1) << at; c.cuts[word]&bit == 0 {
			c.cuts[word] |= bit
			c.grown = true
		}
	}
	for i := lo; i < hi; i++ {
		if touched>>i&1 == 0 {
			continue
		}
		first := i
		for i++; i < hi && touched>>i&1 == 1 && c.cuts[word]>>i&1 == 0; i++ {
		}
		list = append(list, graph.Cell{At: word + uint64(first), Size: uint8(i - first)})
		i--
	}
	return list
}

// content is what memory holds in a cell; 0 where nothing is mapped.
func content(s *scenario.Session, c graph.Cell) uint64 {
	b, ok := s.Process().Peek(c.At, uint64(c.Size))
	if !ok {
		return 0
	}
	var word [8]byte
	copy(word[:], b)
	return binary.LittleEndian.Uint64(word[:])
}

// bytesOf is a value as memory holds it in a cell.
func bytesOf(c graph.Cell, value uint64) []byte {
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], value)
	return append([]byte(nil), word[:c.Size]...)
}

// touches tells whether a range of memory has bytes that make events.
func (c *cells) touches(addr, size uint64) bool {
	for at := addr; at < addr+size; at++ {
		if c.shared[at&^7]>>(at&7)&1 == 1 {
			return true
		}
	}
	return false
}
