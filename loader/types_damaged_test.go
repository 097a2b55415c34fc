package loader

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"emurace/internal/testroot"
	"emurace/internal/testseed"
)

// typeSections are .debug_info, .debug_abbrev, .debug_str and .debug_line_str of a small real debug file.
func typeSections(t testing.TB) (list [4][]byte) {
	t.Helper()
	s, err := OpenSysroot(testroot.Dir(t, "debian:bookworm", "amd64"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	im, err := LoadImage(s, "/lib/x86_64-linux-gnu/libpthread.so.0")
	if err != nil {
		t.Fatal(err)
	}
	if found, err := im.LoadDebug(s); !found || err != nil {
		t.Fatal(found, err)
	}
	for i, name := range []string{".debug_info", ".debug_abbrev", ".debug_str", ".debug_line_str"} {
		if list[i], err = im.debug.section(name); err != nil || len(list[i]) == 0 {
			t.Fatalf("%s: %d bytes, %v", name, len(list[i]), err)
		}
	}
	return list
}

// ask asks an index all that it can be asked.
func ask(x *typeIndex) (found int) {
	for _, at := range x.names {
		for _, off := range []uint64{0, 1, 8, 40, 1 << 20, 1 << 63} {
			if _, ok := x.member(at, off); ok {
				found++
			}
		}
	}
	for _, at := range x.variables {
		x.member(at, 4)
	}
	return found
}

// Debugging information that somebody has changed is read as far as it goes, in bounded time, and
// whatever it says.
func TestDamagedTypes(t *testing.T) {
	seed := testseed.Of(t, 0)
	good := typeSections(t)
	if x := newTypeIndex(good[0], good[1], stringTables{str: good[2], lineStr: good[3]}); len(x.names) < 5 {
		t.Fatalf("%d names in the undamaged file", len(x.names))
	}
	random := rand.New(rand.NewPCG(seed, 1))
	rounds := 20000
	if testing.Short() {
		rounds = 2000
	}
	for range rounds {
		info, abbrev := slices.Clone(good[0]), slices.Clone(good[1])
		for range 1 + random.IntN(4) {
			section := info
			if random.IntN(2) == 0 {
				section = abbrev
			}
			at := random.IntN(len(section))
			switch random.IntN(3) {
			case 0:
				section[at] = byte(random.Uint32())
			case 1:
				section[at] ^= 1 << random.IntN(8)
			default:
				copy(section[at:], section[random.IntN(len(section)):])
			}
		}
		if random.IntN(8) == 0 {
			info = info[:random.IntN(len(info))]
		}
		ask(newTypeIndex(info, abbrev, stringTables{str: good[2], lineStr: good[3]}))
	}
}

// A type that is made of itself, and structures and arrays of a great many parts, come to an end.
func TestEndlessTypes(t *testing.T) {
	const unitHeader = 12
	unit := func(entries []byte) []byte {
		b := binary.LittleEndian.AppendUint32(nil, uint32(len(entries)+8))
		b = append(b, 5, 0, 1, 8, 0, 0, 0, 0)
		return append(b, entries...)
	}
	abbrev := []byte{
		1, 0x11, 1, 0, 0, // a unit with children
		2, tagTypedef, 0, attrName, formString, attrType, formRef4, 0, 0,
		3, tagStruct, 1, attrName, formString, attrByteSize, formData4, 0, 0,
		4, tagMember, 0, attrName, formString, attrType, formRef4, attrMemberAt, formData1, 0, 0,
		5, tagArray, 1, attrType, formRef4, 0, 0,
		6, tagSubrange, 0, attrCount, formData4, 0, 0,
		7, tagTypedef, 0, attrName, formString, attrType, formRef4, 0, 0,
		8, tagBase, 0, attrByteSize, formData1, 0, 0,
		9, tagVariable, 0, attrSpec, formRefAddr, 0, 0,
		0,
	}
	ref := func(b []byte, at int) []byte { return binary.LittleEndian.AppendUint32(b, uint32(at)) }
	own := ref(append([]byte{1, 2}, "own\x00"...), unitHeader+1)
	loop := append([]byte{1, 3}, "s\x00\x00\x00\x00\x7f"...) // a structure whose member is an array of it
	at := unitHeader + 1
	loop = append(ref(append(append(loop, 4), "m\x00"...), at+len(loop)-2+4+8), 0)
	wide := append([]byte{1, 3}, "w\x00\x00\x00\x00\x7f"...)
	for range 50000 {
		wide = append(ref(append(append(wide, 4), "m\x00"...), unitHeader+1), 100)
	}
	wide = append(wide, 0, 0)
	huge := append([]byte{1, 7}, "h\x00"...) // dimensions of 2^31 each, and elements of 4 bytes
	huge = append(ref(huge, unitHeader+len(huge)+4), 5)
	huge = ref(huge, unitHeader+len(huge)+4+5*5+1)
	for range 5 {
		huge = append(huge, 6, 0, 0, 0, 0x80)
	}
	huge = append(huge, 0, 8, 4, 0)
	far := append(append([]byte{1, 9}, 0xff, 0xff, 0, 0), 2, 'o', 0, 0, 0, 0, 0, 0) // it is said to be described behind the unit
	for name, entries := range map[string][]byte{"itself": own, "a loop": loop, "many members": wide, "a huge array": huge, "far": far} {
		info := unit(entries)
		if name == "far" {
			info = append(info, make([]byte, 0x10000-len(info))...)
			info[0xffff] = 0x80 // the number of an abbreviation that goes on behind the section
			info = slices.Clip(info)
		}
		x := newTypeIndex(info, abbrev, stringTables{})
		if len(x.names) == 0 {
			t.Errorf("%s: no type is found", name)
		}
		ask(x)
	}
}

// The reader of types survives any bytes.
func FuzzTypes(f *testing.F) {
	good := typeSections(f)
	f.Add(good[0], good[1], good[2])
	f.Fuzz(func(_ *testing.T, info, abbrev, text []byte) {
		ask(newTypeIndex(info, abbrev, stringTables{str: text, lineStr: text}))
	})
}
