package loader

// The debugging information entries of DWARF 2 to 5: chapter 2 and sections 7.5.1 to 7.5.6 of the DWARF 5
// standard. The standard library's reader is not used, for the reasons named in linetable.go. What is
// read here is only gone through: nothing is kept but places in the section.

// Tags (DW_TAG_*), attributes (DW_AT_*) and forms (DW_FORM_*) that matter here; see also linenames.go.
const (
	tagArray    = 0x01
	tagClass    = 0x02
	tagEnum     = 0x04
	tagMember   = 0x0d
	tagPointer  = 0x0f
	tagStruct   = 0x13
	tagTypedef  = 0x16
	tagUnion    = 0x17
	tagSubrange = 0x21
	tagBase     = 0x24
	tagConst    = 0x26
	tagVariable = 0x34
	tagVolatile = 0x35
	tagRestrict = 0x37
	tagAtomic   = 0x47

	attrSibling     = 0x01
	attrLocation    = 0x02
	attrName        = 0x03
	attrByteSize    = 0x0b
	attrUpperBound  = 0x2f
	attrCount       = 0x37
	attrMemberAt    = 0x38
	attrDeclaration = 0x3c
	attrSpec        = 0x47 // DW_AT_specification
	attrType        = 0x49
	attrBitAt       = 0x6b

	formAddr          = 0x01
	formBlock2        = 0x03
	formBlock4        = 0x04
	formBlock1        = 0x0a
	formFlag          = 0x0c
	formSdata         = 0x0d
	formRefAddr       = 0x10
	formRef1          = 0x11
	formRef2          = 0x12
	formRef4          = 0x13
	formRef8          = 0x14
	formRefUdata      = 0x15
	formIndirect      = 0x16
	formSecOffset     = 0x17
	formExprloc       = 0x18
	formFlagPresent   = 0x19
	formStrx          = 0x1a
	formAddrx         = 0x1b
	formRefSup4       = 0x1c
	formRefSig8       = 0x20
	formImplicitConst = 0x21
	formLoclistx      = 0x22
	formRnglistx      = 0x23
	formRefSup8       = 0x24
	formStrx1         = 0x25
	formStrx2         = 0x26
	formStrx3         = 0x27
	formStrx4         = 0x28
	formAddrx1        = 0x29
	formAddrx2        = 0x2a
	formAddrx3        = 0x2b
	formAddrx4        = 0x2c
	formGNURefAlt     = 0x1f20
	formGNUStrpAlt    = 0x1f21

	opAddr = 0x03 // DW_OP_addr
)

// abbreviation says what entries with its code hold.
type abbreviation struct {
	tag      uint64
	children bool
	fields   []dieField
}

type dieField struct {
	attr, form uint64
	constant   int64 // with formImplicitConst
}

// maxAbbreviations bounds the bytes that are read of tables of abbreviations, since a file may have as many units
// as it likes with a table each. Those of a real libc are some hundred KiB.
const maxAbbreviations = 1 << 26

// dieUnit is a unit of .debug_info.
type dieUnit struct {
	off, end int // in the section
	first    int // the first entry
	version  int
	wide     bool
	abbrevs  map[uint64]*abbreviation
}

// die is an entry, with what matters here of what it says.
type die struct {
	off, next int // where it begins, and what stands behind it: its first child if it has any
	tag       uint64
	children  bool
	sibling   int // 0 if it does not say

	name        []byte
	typ, spec   int // offsets in the section, 0 for none
	size        uint64
	sized       bool
	upper       uint64 // of a subrange, the number of elements
	bounded     bool
	at          uint64 // of a member, in bytes
	location    []byte
	declaration bool
}

// dieReader goes through the units of a debug file.
type dieReader struct {
	info, abbrev []byte
	tables       stringTables

	// The table that was read last.
	at    uint64
	table map[uint64]*abbreviation
	read  int // bytes of tables so far

	left int // how many entries and attributes may still be read: some take no bytes
}

// unit reads the header of the unit at an offset; next is the one behind it, 0 when that cannot be
// told. ok is false for one that cannot be read.
func (r *dieReader) unit(off int) (u *dieUnit, next int, ok bool) {
	c := cursor{data: r.info, off: off}
	size, wide := c.length()
	begin := c.off
	if c.take(size); c.bad || size == 0 {
		return nil, 0, false
	}
	next = c.off
	h := cursor{data: r.info[:next], off: begin}
	u = &dieUnit{off: off, end: next, wide: wide, version: int(h.u16())}
	var abbrevs uint64
	addressSize := uint8(0)
	switch {
	case u.version >= 2 && u.version <= 4:
		abbrevs, addressSize = h.offset(wide), h.u8()
	case u.version == 5:
		kind := h.u8()
		addressSize = h.u8()
		abbrevs = h.offset(wide)
		if kind != 1 && kind != 3 { // DW_UT_compile, DW_UT_partial
			return nil, next, false
		}
	default:
		return nil, next, false
	}
	u.first = h.off
	if u.abbrevs = r.abbreviations(abbrevs); h.bad || addressSize != 8 || u.abbrevs == nil {
		return nil, next, false
	}
	return u, next, true
}

// abbreviations is the table at an offset, nil when it cannot be read.
func (r *dieReader) abbreviations(off uint64) map[uint64]*abbreviation {
	if r.table != nil && r.at == off {
		return r.table
	}
	if off > uint64(len(r.abbrev)) || r.read > maxAbbreviations {
		return nil
	}
	c := cursor{data: r.abbrev, off: int(off)}
	table := map[uint64]*abbreviation{}
	for code := c.uleb(); code != 0; code = c.uleb() {
		a := &abbreviation{tag: c.uleb(), children: c.u8() == 1}
		for {
			f := dieField{attr: c.uleb(), form: c.uleb()}
			if f.form == formImplicitConst {
				f.constant = c.sleb()
			}
			if c.bad || f.attr == 0 && f.form == 0 {
				break
			}
			a.fields = append(a.fields, f)
		}
		table[code] = a
	}
	r.read += c.off - int(off)
	if c.bad {
		return nil
	}
	r.at, r.table = off, table
	return table
}

// entry reads the entry at an offset. ok is false at the end of a list of children, which
// next then is behind, and for one that cannot be read, where next is 0.
func (r *dieReader) entry(u *dieUnit, off int) (d die, ok bool) {
	if off < u.first || off >= u.end {
		return die{}, false // a reference to another unit
	}
	c := cursor{data: r.info[:u.end], off: off}
	code := c.uleb()
	if c.bad {
		return die{}, false
	}
	a := u.abbrevs[code]
	if a != nil {
		r.left -= len(a.fields)
	}
	if r.left--; r.left < 0 {
		return die{}, false
	}
	if code == 0 {
		return die{off: off, next: c.off}, false
	}
	if a == nil {
		return die{}, false
	}
	d = die{off: off, tag: a.tag, children: a.children}
	for _, f := range a.fields {
		v, ok := r.value(u, &c, f)
		if !ok || c.bad {
			return die{}, false
		}
		d.take(f, v)
	}
	d.next = c.off
	return d, true
}

// dieValue is the value of an attribute, as far as its form matters here.
type dieValue struct {
	n    uint64
	data []byte // of a text or a block
	ref  int    // in the section, 0 for none
	form uint64
}

// value reads a value and moves c behind it.
func (r *dieReader) value(u *dieUnit, c *cursor, f dieField) (v dieValue, ok bool) {
	v.form = f.form
	if f.form == formIndirect {
		if v.form = c.uleb(); v.form == formIndirect || v.form == formImplicitConst {
			return v, false
		}
	}
	local := func(n uint64) { // a reference into the unit
		if n < uint64(u.end-u.off) {
			v.ref = u.off + int(n)
		}
	}
	switch v.form {
	case formAddr, formData8, formRefSup8:
		v.n = c.u64()
	case formData1, formFlag, formStrx1, formAddrx1:
		v.n = uint64(c.u8())
	case formData2, formStrx2, formAddrx2:
		v.n = uint64(c.u16())
	case formData4, formStrx4, formAddrx4, formRefSup4:
		v.n = uint64(c.u32())
	case formStrx3, formAddrx3:
		c.take(3)
	case formData16:
		c.take(16)
	case formUdata, formStrx, formAddrx, formLoclistx, formRnglistx:
		v.n = c.uleb()
	case formSdata:
		v.n = uint64(c.sleb())
	case formImplicitConst:
		v.n = uint64(f.constant)
	case formFlagPresent:
		v.n = 1
	case formString:
		v.data = c.text()
	case formStrp:
		v.data = textAt(r.tables.str, c.offset(u.wide))
	case formLineStrp:
		v.data = textAt(r.tables.lineStr, c.offset(u.wide))
	case formSecOffset, formStrpSup, formGNURefAlt, formGNUStrpAlt:
		v.n = c.offset(u.wide)
	case formBlock1:
		v.data = c.take(uint64(c.u8()))
	case formBlock2:
		v.data = c.take(uint64(c.u16()))
	case formBlock4:
		v.data = c.take(uint64(c.u32()))
	case formBlock, formExprloc:
		v.data = c.take(c.uleb())
	case formRef1:
		local(uint64(c.u8()))
	case formRef2:
		local(uint64(c.u16()))
	case formRef4:
		local(uint64(c.u32()))
	case formRef8:
		local(c.u64())
	case formRefUdata:
		local(c.uleb())
	case formRefSig8:
		c.u64()
	case formRefAddr:
		n := uint64(0)
		if u.version == 2 {
			n = c.u64()
		} else {
			n = c.offset(u.wide)
		}
		if n < uint64(len(r.info)) {
			v.ref = int(n)
		}
	default:
		return v, false // its size is not known
	}
	return v, true
}

// take notes what an attribute says.
func (d *die) take(f dieField, v dieValue) {
	block := v.form == formBlock || v.form == formBlock1 || v.form == formBlock2 || v.form == formBlock4 || v.form == formExprloc
	switch f.attr {
	case attrSibling:
		d.sibling = v.ref
	case attrName:
		if !block {
			d.name = v.data
		}
	case attrType:
		d.typ = v.ref
	case attrSpec:
		d.spec = v.ref
	case attrByteSize:
		d.size, d.sized = v.n, !block && v.ref == 0
	case attrUpperBound:
		if !block && v.ref == 0 && v.form != formSecOffset && v.n != ^uint64(0) {
			d.upper, d.bounded = v.n+1, true
		}
	case attrCount:
		if !block && v.ref == 0 && v.form != formSecOffset {
			d.upper, d.bounded = v.n, true
		}
	case attrMemberAt:
		if !block {
			d.at = v.n
		}
	case attrBitAt:
		d.at = v.n / 8
	case attrLocation:
		if block {
			d.location = v.data
		}
	case attrDeclaration:
		d.declaration = v.n != 0
	}
}

// children calls f with each child of an entry, until f returns false. What a child has itself is passed over.
func (r *dieReader) children(u *dieUnit, d die, f func(die) bool) {
	if !d.children {
		return
	}
	off, depth := d.next, 0
	for off > 0 && off < u.end {
		e, ok := r.entry(u, off)
		if !ok {
			if e.next == 0 || depth == 0 {
				return
			}
			depth--
			off = e.next
			continue
		}
		if depth == 0 && !f(e) {
			return
		}
		off = e.next
		if e.children {
			if e.sibling > off && e.sibling < u.end {
				off = e.sibling
			} else {
				depth++
			}
		}
	}
}
