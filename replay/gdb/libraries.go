package gdb

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"
)

var le = binary.LittleEndian

// Offsets in ld.so's struct r_debug and struct link_map (elf/link.h of glibc, and
// link.h of musl, which has the same).
const (
	rDebugMap   = 8
	linkMapAddr = 0
	linkMapName = 8
	linkMapLD   = 16
	linkMapNext = 24
)

// maxLibraries bounds how far the list is followed: the guest may have spoiled it.
const maxLibraries = 1024

// debugStruct is the address of ld.so's struct r_debug, which it notes in the
// program's dynamic section (DT_DEBUG).
func (c *client) debugStruct() (uint64, bool) {
	p := c.m.Program()
	var at uint64
	for _, h := range programHeaders(p.Image.Data()) {
		if h.kind == elf.PT_DYNAMIC {
			at = p.Base + h.vaddr
		}
	}
	if at == 0 {
		return 0, false
	}
	for range 256 {
		tag, ok := c.m.Read64(at)
		if !ok || elf.DynTag(tag) == elf.DT_NULL {
			return 0, false
		}
		if elf.DynTag(tag) == elf.DT_DEBUG {
			v, ok := c.m.Read64(at + 8)
			return v, ok && v != 0
		}
		at += 16
	}
	return 0, false
}

// librariesXML is ld.so's list of libraries, as gdb wants it for targets with ELF
// libraries. The first entry is the program.
func (c *client) librariesXML() string {
	var b, list strings.Builder
	main := uint64(0)
	debug, ok := c.debugStruct()
	next := uint64(0)
	if ok {
		next, _ = c.m.Read64(debug + rDebugMap)
	}
	for i := 0; next != 0 && i < maxLibraries; i++ {
		var word [4]uint64
		for k, off := range []uint64{linkMapAddr, linkMapName, linkMapLD, linkMapNext} {
			if word[k], ok = c.m.Read64(next + off); !ok {
				break
			}
		}
		if !ok {
			break
		}
		name, _ := c.m.CString(word[1], 4096)
		switch {
		case i == 0:
			main = next
		case name != "":
			fmt.Fprintf(&list, "<library name=\"%s\" lm=\"%#x\" l_addr=\"%#x\" l_ld=\"%#x\" lmid=\"0x0\"/>\n", escapeXML(name), next, word[0], word[2])
		}
		next = word[3]
	}
	b.WriteString("<library-list-svr4 version=\"1.0\"")
	if main != 0 {
		fmt.Fprintf(&b, " main-lm=\"%#x\"", main)
	}
	b.WriteString(">\n" + list.String() + "</library-list-svr4>\n")
	return b.String()
}

type programHeader struct {
	kind        elf.ProgType
	vaddr, size uint64
}

// programHeaders reads the headers of the program, which the loader has taken for one.
func programHeaders(data []byte) []programHeader {
	off, n := le.Uint64(data[32:]), int(le.Uint16(data[56:]))
	var list []programHeader
	for i := range n {
		at := off + uint64(i)*phdrSize
		if at > uint64(len(data)) || uint64(len(data))-at < phdrSize {
			break
		}
		h := data[at:]
		list = append(list, programHeader{elf.ProgType(le.Uint32(h)), le.Uint64(h[16:]), le.Uint64(h[32:])})
	}
	return list
}

const phdrSize = 56
