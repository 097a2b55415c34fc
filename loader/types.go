package loader

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Bounds of what is kept and gone through of types that a file describes.
const (
	maxNamedTypes = 1 << 18
	maxTypeDepth  = 64
	maxDimensions = 8
	maxTypeInfo   = 1 << 26 // bytes of .debug_info; a larger one is left alone
	maxTypeSteps  = 1 << 17 // entries and attributes that are read to answer a question
)

// typeIndex is where the types and variables of an image are described.
type typeIndex struct {
	reader    dieReader
	units     []int          // offsets of the units that have any, in order
	names     map[string]int // of typedefs, structures and unions, the first description of each
	variables map[uint64]int // types, by the address of a variable
}

// MemberAt is the member of a type that is at a number of bytes from its beginning, as C writes it:
// "__data.__g_signals[1]" of pthread_cond_t. The type is a typedef, a structure or a union, of
// any part of the image that was compiled with debugging information. Of a union it is the first member
// that reaches so far. ok is false where nothing is known, and for what is no member, such as padding.
//
// The first call goes through the debugging information once, some 0.1 s for glibc.
func (im *Image) MemberAt(typ string, off uint64) (path string, ok bool) {
	im.mu.Lock()
	defer im.mu.Unlock()
	x := im.typeIndexLocked()
	return x.member(x.names[typ], off)
}

// MemberOf is the member at a number of bytes from the beginning of the variable at vaddr, as MemberAt; ok is
// false also where the variable is none of a structure, union or array.
func (im *Image) MemberOf(vaddr, off uint64) (path string, ok bool) {
	im.mu.Lock()
	defer im.mu.Unlock()
	x := im.typeIndexLocked()
	return x.member(x.variables[vaddr], off)
}

func (im *Image) typeIndexLocked() *typeIndex {
	if im.types == nil {
		src := im.debug
		if src == nil {
			src = im.own()
		}
		var sections [4][]byte
		for i, name := range []string{".debug_info", ".debug_abbrev", ".debug_str", ".debug_line_str"} {
			sections[i], _ = src.section(name) // what cannot be read tells nothing
		}
		im.types = newTypeIndex(sections[0], sections[1], stringTables{str: sections[2], lineStr: sections[3]})
	}
	return im.types
}

func newTypeIndex(info, abbrev []byte, tables stringTables) *typeIndex {
	x := &typeIndex{reader: dieReader{info: info, abbrev: abbrev, tables: tables}, names: map[string]int{}, variables: map[uint64]int{}}
	if len(info) > maxTypeInfo {
		return x
	}
	x.reader.left = 4 * len(info) // a real file has fewer of both than bytes
	for off := 0; off < len(x.reader.info); {
		u, next, ok := x.reader.unit(off)
		if ok {
			x.add(u)
		}
		if next <= off {
			break
		}
		off = next
	}
	return x
}

// add takes in the types and variables of a unit that are in no function.
func (x *typeIndex) add(u *dieUnit) {
	top, ok := x.reader.entry(u, u.first)
	if !ok {
		return
	}
	x.units = append(x.units, u.off)
	x.reader.children(u, top, func(d die) bool {
		switch d.tag {
		case tagTypedef, tagStruct, tagClass, tagUnion:
			if name := string(d.name); !d.declaration && isIdentifier(name) && len(x.names) < maxNamedTypes {
				if _, known := x.names[name]; !known {
					x.names[name] = d.off
				}
			}
		case tagVariable:
			typ := d.typ
			if d.spec != 0 {
				if declared, ok := x.reader.entry(u, d.spec); ok && typ == 0 {
					typ = declared.typ
				}
			}
			if len(d.location) == 9 && d.location[0] == opAddr && typ != 0 && len(x.variables) < maxNamedTypes {
				x.variables[le.Uint64(d.location[1:])] = typ
			}
		}
		return true
	})
}

// entry is the entry at an offset of the section.
func (x *typeIndex) entry(off int) (*dieUnit, die, bool) {
	i, found := slices.BinarySearchFunc(x.units, off, func(at, off int) int { return cmp.Compare(at, off) })
	if !found {
		i--
	}
	if i < 0 {
		return nil, die{}, false
	}
	u, _, ok := x.reader.unit(x.units[i])
	if !ok {
		return nil, die{}, false
	}
	d, ok := x.reader.entry(u, off)
	return u, d, ok
}

// member writes the way from a type to what is at a number of bytes in it. 0 is no type.
func (x *typeIndex) member(at int, off uint64) (path string, ok bool) {
	if at == 0 {
		return "", false
	}
	x.reader.left = maxTypeSteps
	var b strings.Builder
	for range maxTypeDepth {
		u, d, ok := x.entry(at)
		if !ok {
			return "", false
		}
		switch d.tag {
		case tagTypedef, tagConst, tagVolatile, tagRestrict, tagAtomic:
			at = d.typ
		case tagStruct, tagClass, tagUnion:
			var m die
			x.reader.children(u, d, func(c die) bool {
				if c.tag != tagMember || c.at > off {
					return true
				}
				if size, ok := x.size(c.typ, 0); !ok || off-c.at >= size {
					return true
				}
				m = c
				return false
			})
			if m.typ == 0 || len(m.name) > 0 && !isIdentifier(string(m.name)) {
				return "", false
			}
			if b.Len() > 0 && len(m.name) > 0 {
				b.WriteByte('.')
			}
			b.Write(m.name)
			at, off = m.typ, off-m.at
		case tagArray:
			size, ok := x.size(d.typ, 0)
			dimensions := x.dimensions(u, d)
			texts := size == 1
			if texts { // they are told from where they begin
				last := len(dimensions) - 1
				size, dimensions = dimensions[last], dimensions[:last]
				if last == 0 {
					return from(&b, off)
				}
			}
			if !ok || size == 0 {
				return "", false
			}
			index := off / size
			for i := range dimensions {
				below, ok := product(1, dimensions[i+1:])
				if !ok || below == 0 {
					return "", false
				}
				fmt.Fprintf(&b, "[%d]", index/below)
				index %= below
			}
			if off %= size; texts {
				return from(&b, off)
			}
			at = d.typ
		default:
			return from(&b, off)
		}
	}
	return "", false
}

// from is the way to a number of bytes behind the beginning of what a way leads to.
func from(b *strings.Builder, off uint64) (string, bool) {
	if off > 0 && b.Len() > 0 {
		fmt.Fprintf(b, "+%#x", off)
	}
	return b.String(), b.Len() > 0
}

// size is how many bytes a type has.
func (x *typeIndex) size(at, depth int) (uint64, bool) {
	if at == 0 || depth == maxTypeDepth {
		return 0, false
	}
	u, d, ok := x.entry(at)
	switch {
	case !ok:
		return 0, false
	case d.sized:
		return d.size, true
	case d.tag == tagPointer:
		return 8, true
	case slices.Contains([]uint64{tagTypedef, tagConst, tagVolatile, tagRestrict, tagAtomic}, d.tag):
		return x.size(d.typ, depth+1)
	case d.tag != tagArray:
		return 0, false
	}
	size, ok := x.size(d.typ, depth+1)
	if !ok {
		return 0, false
	}
	return product(size, x.dimensions(u, d))
}

// maxArray is how many bytes an array may have.
const maxArray = 1 << 40

// product multiplies numbers; false when there are more than any array has.
func product(size uint64, list []uint64) (uint64, bool) {
	for _, n := range list {
		if n != 0 && size > maxArray/n {
			return 0, false
		}
		size *= n
	}
	return size, true
}

// dimensions are how many elements an array has, in each of its directions. One of an unknown number has none.
func (x *typeIndex) dimensions(u *dieUnit, d die) (list []uint64) {
	x.reader.children(u, d, func(c die) bool {
		if c.tag == tagSubrange && c.bounded {
			list = append(list, c.upper)
		} else if c.tag == tagSubrange {
			list = append(list, 0)
		}
		return len(list) < maxDimensions
	})
	if len(list) == 0 {
		return []uint64{0}
	}
	return list
}

// isIdentifier tells whether a name is one of C.
func isIdentifier(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
