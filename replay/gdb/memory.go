package gdb

import (
	"encoding/hex"

	"emurace/loader"
)

// readMemory answers m: as many bytes as there are at the address, up to the
// length that is asked for and what a packet holds.
func (c *client) readMemory(arg string) string {
	addr, size, err := twoHex(arg)
	if err != nil {
		return errInvalid
	}
	size = min(size, packetSize/2)
	if size == 0 {
		return ""
	}
	b := c.memory(addr, size)
	if len(b) == 0 {
		return errFault
	}
	return hex.EncodeToString(b)
}

// memory reads page by page up to the first byte that is not mapped.
func (c *client) memory(addr, size uint64) []byte {
	var out []byte
	for size > 0 {
		n := min(size, loader.PageSize-addr%loader.PageSize)
		b, ok := c.m.Read(addr, n)
		if !ok {
			break
		}
		out = append(out, b...)
		size -= n
		if addr += n; addr == 0 {
			break // the end of all addresses
		}
	}
	return out
}
