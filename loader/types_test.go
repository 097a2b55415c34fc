package loader_test

import (
	"debug/dwarf"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testseed"
	"emurace/loader"
)

// described are the types and variables that a debug file has outside of functions, by the standard library's
// reader.
func described(t *testing.T, d *dwarf.Data) (types map[string]dwarf.Offset, variables map[uint64]dwarf.Offset) {
	t.Helper()
	types, variables = map[string]dwarf.Offset{}, map[uint64]dwarf.Offset{}
	for r := d.Reader(); ; {
		e, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e == nil {
			return types, variables
		}
		switch e.Tag {
		case dwarf.TagCompileUnit:
			continue // its children are what is wanted
		case dwarf.TagTypedef, dwarf.TagStructType, dwarf.TagUnionType:
			name, _ := e.Val(dwarf.AttrName).(string)
			declared, _ := e.Val(dwarf.AttrDeclaration).(bool)
			if _, known := types[name]; name != "" && !known && !declared {
				types[name] = e.Offset
			}
		case dwarf.TagVariable:
			where, _ := e.Val(dwarf.AttrLocation).([]byte)
			typ, ok := e.Val(dwarf.AttrType).(dwarf.Offset)
			if s, there := e.Val(dwarf.AttrSpecification).(dwarf.Offset); there && !ok {
				r := d.Reader()
				r.Seek(s)
				if declared, err := r.Next(); err == nil {
					typ, ok = declared.Val(dwarf.AttrType).(dwarf.Offset)
				}
			}
			if ok && len(where) == 9 && where[0] == 3 {
				variables[binary.LittleEndian.Uint64(where[1:])] = typ
			}
		}
		r.SkipChildren()
	}
}

// way is MemberAt by the standard library's types.
func way(typ dwarf.Type, off int64, path string) (string, bool) {
	from := func() (string, bool) {
		if path != "" && off > 0 {
			path += fmt.Sprintf("+%#x", off)
		}
		return path, path != ""
	}
	switch x := typ.(type) {
	case *dwarf.TypedefType:
		return way(x.Type, off, path)
	case *dwarf.QualType:
		return way(x.Type, off, path)
	case *dwarf.StructType:
		for _, f := range x.Field {
			at := f.ByteOffset
			if f.BitSize > 0 && f.DataBitOffset > 0 {
				at = f.DataBitOffset / 8
			}
			if off < at || off-at >= f.Type.Size() {
				continue
			}
			if path != "" && f.Name != "" {
				path += "."
			}
			return way(f.Type, off-at, path+f.Name)
		}
		return "", false
	case *dwarf.ArrayType:
		if size := x.Type.Size(); size > 1 && x.Count >= 0 {
			return way(x.Type, off%size, path+fmt.Sprintf("[%d]", off/size))
		} else if size == 1 {
			return from()
		}
		return "", false
	case *dwarf.VoidType, *dwarf.FuncType, *dwarf.UnspecifiedType:
		return "", false
	}
	return from()
}

// The members of all types and variables of each real libc are those that the standard library's reader
// finds, at some places of each.
func TestMembersAgainstDebugDWARF(t *testing.T) {
	random := testseed.Of(t, 0)
	everyLibc(t, func(t *testing.T, suite string, s *loader.Sysroot, libc *loader.Image) {
		loadDebug(t, s, libc)
		d := debugDWARF(t, s, libc)
		types, variables := described(t, d)
		compared, members := 0, 0
		compare := func(what string, at dwarf.Offset, member func(off uint64) (string, bool)) {
			typ, err := d.Type(at)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			size := uint64(max(typ.Size(), 1))
			for k := range uint64(4) {
				random = random*6364136223846793005 + 1442695040888963407
				off := (random >> 33) % size
				if k == 0 {
					off = 0
				}
				want, ok := way(typ, int64(off), "")
				got, found := member(off)
				if compared++; found {
					members++
				}
				if ok != found || ok && got != want {
					t.Errorf("%s+%d: %q, %v, want %q, %v", what, off, got, found, want, ok)
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(types)) {
			compare(name, types[name], func(off uint64) (string, bool) { return libc.MemberAt(name, off) })
		}
		for _, addr := range slices.Sorted(maps.Keys(variables)) {
			compare(fmt.Sprintf("variable %#x", addr), variables[addr], func(off uint64) (string, bool) { return libc.MemberOf(addr, off) })
		}
		t.Logf("%d types, %d variables, %d places, %d of them in members", len(types), len(variables), compared, members)
		if len(types) < 500 || len(variables) < 200 || members < 1000 {
			t.Error("that is too few")
		}
		if name, ok := libc.MemberAt("no_such_type", 0); ok {
			t.Errorf("%q is a member of nothing", name)
		}
		if _, ok := libc.MemberAt("pthread_cond_t", 1<<40); ok {
			t.Error("a member far behind the end")
		}
		if got, _ := libc.MemberAt("pthread_mutex_t", 8); suite == "bookworm" && got != "__data.__owner" {
			t.Errorf("the owner of a mutex is told as %q", got)
		}
		if strings.Contains(fmt.Sprint(libc.MemberAt("FILE", 40)), "+") {
			t.Error("a pointer in a FILE is no member")
		}
	})
}
